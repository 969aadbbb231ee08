/** A bug report of the broker, a device or a job, to copy into an issue. */
import { useEffect, useRef } from 'preact/hooks';
import type { ReportAnswer } from '../answers';
import { ask, Failure, tried } from './api';
import { Button, ViewHead } from './parts';
import { t } from './texts';
import { useSidebar } from './views';

interface CopyReportInput {
  /** Identifies the button, so that the focus can return to it. */
  readonly id: string;
  /** What the report is about; the broker if neither is given. */
  readonly about?: { readonly device: string } | { readonly job: string };
  /** The name of that, for a screen reader. */
  readonly name?: string;
  /** Whether the button has only an icon. */
  readonly compact?: boolean;
}

/** A button that copies a report. If the browser does not allow that, a view shows the report. */
export function CopyReport({ id, about, name, compact = false }: CopyReportInput) {
  const { feed, show, tell } = useSidebar();
  const isAsking = useRef(false);
  const copy = async (): Promise<void> => {
    if (isAsking.current) return;
    isAsking.current = true;
    const found = await tried(ask<ReportAnswer>('GET', feed.broker, ['report'], about));
    isAsking.current = false;
    if (found instanceof Failure) tell(found.message);
    else if (RED.clipboard.copyText(found.text)) tell(t('report.copied'));
    else show({ kind: 'report', text: found.text });
  };
  return (
    <Button
      id={id}
      icon="clipboard"
      label={[t('report.copy'), name].filter(Boolean).join(': ')}
      title={t('report.hint')}
      onClick={() => void copy()}
    >
      {compact ? undefined : t('report.copy')}
    </Button>
  );
}

/** Shows a report that the browser did not copy. */
export function Report({ text }: { readonly text: string }) {
  const { back } = useSidebar();
  const area = useRef<HTMLTextAreaElement>(null);
  // After the title of the view got the focus.
  useEffect(() => {
    area.current?.focus();
    area.current?.select();
  }, []);
  return (
    <section class="homie-view" aria-label={t('report.title')}>
      <ViewHead title={t('report.title')} back={t('back')} onBack={back} />
      <p class="homie-note">{t('report.notCopied')}</p>
      <textarea
        ref={area}
        class="homie-report"
        data-key="report"
        readOnly
        aria-label={t('report.title')}
        value={text}
      />
    </section>
  );
}
