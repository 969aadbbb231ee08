/** The parts that the compact and the full cards of jobs share. */
import { useLayoutEffect, useRef, useState } from 'preact/hooks';
import type { RefObject } from 'preact';
import type { JobAction, JobCard } from '../../../src/rollout/job-card';
import { ask, Failure, tried } from './api';
import { jobPlanOf, stateOf, titleOf } from './job-texts';
import { Button, Icon, ProgressBar } from './parts';
import { t } from './texts';
import { useSidebar } from './views';

/** The actions in the order of their buttons, with their icons. */
const icons: Readonly<Record<JobAction, string>> = {
  pause: 'pause',
  resume: 'play',
  retry: 'repeat',
  cancel: 'stop',
  close: 'times',
};

interface JobButtonsInput {
  readonly job: JobCard;
  /** Whether the buttons have only icons. */
  readonly compact?: boolean;
}

/** Shows a button for each action that the job allows. Those that change devices open a plan. */
export function JobButtons({ job, compact = false }: JobButtonsInput) {
  const { feed, mayWrite, show, tell } = useSidebar();
  const [isBusy, setBusy] = useState(false);
  const actions = Object.keys(icons).flatMap((action) => job.may.filter((may) => may === action));
  const act = async (action: JobAction): Promise<void> => {
    const plan = jobPlanOf(action, job, feed.rows);
    if (plan !== undefined) {
      show(plan);
      return;
    }
    setBusy(true);
    const answer = await tried(ask('POST', feed.broker, ['jobs', job.id, action]));
    if (answer instanceof Failure) tell(answer.message);
    setBusy(false);
    feed.look();
  };
  if (!mayWrite || actions.length === 0) return null;
  const what = titleOf(job, feed.rows);
  return (
    <div class="homie-jobbuttons" role="group" aria-label={what}>
      {/* Without keys: the button that replaces another one keeps the focus. */}
      {actions.map((action) => (
        <Button
          id={`${action}-${job.id}`}
          icon={icons[action]}
          kind={compact ? 'plain' : undefined}
          label={`${t(`job.${action}`)}: ${what}`}
          title={t(`job.hint.${action}`)}
          disabled={isBusy}
          onClick={() => void act(action)}
        >
          {compact ? undefined : t(`job.${action}`)}
        </Button>
      ))}
    </div>
  );
}

/** Shows the progress of a job over all its devices. */
export function JobProgress({ job }: { readonly job: JobCard }) {
  const { feed } = useSidebar();
  return <ProgressBar percent={job.progress} label={t('job.progress', { job: titleOf(job, feed.rows) })} />;
}

/** Shows the state of a job as an icon, which has its words in the title. */
export function StateIcon({ job }: { readonly job: JobCard }) {
  const { label, symbol, tone } = stateOf(job);
  return (
    <span class="homie-jobicon" data-tone={tone} title={label} role="img" aria-label={label}>
      <Icon name={symbol} />
    </span>
  );
}

/** Focuses the returned element when the focused element inside it disappears. */
export function useKeptFocus<Kept extends HTMLElement>(): RefObject<Kept | null> {
  const kept = useRef<Kept>(null);
  const last = useRef<Element | null>(null);
  useLayoutEffect(() => {
    const lost = last.current !== null && !last.current.isConnected;
    const { activeElement, body } = document;
    if (lost && (activeElement === null || activeElement === body)) kept.current?.focus();
    last.current = kept.current?.contains(document.activeElement) === true ? document.activeElement : null;
  });
  return kept;
}
