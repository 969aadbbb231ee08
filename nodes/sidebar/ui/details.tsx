/** All that is known of a device: facts, configuration, history. */
import { useEffect, useLayoutEffect, useRef, useState } from 'preact/hooks';
import type { TableRow } from '../../../src/devices/table';
import type { DeviceDetails } from '../answers';
import { ActionButtons } from './action-buttons';
import { ask, Failure, tried } from './api';
import { ConfigTab } from './config-tab';
import { isDirty, noDraft, type Draft } from './config-draft';
import { Facts } from './facts';
import { History } from './history';
import { Button, Icon, ProgressBar, useTick, ViewHead } from './parts';
import { CopyReport } from './report';
import { statusOf } from './row-status';
import { t } from './texts';
import { deviceTabs, useSidebar, type DeviceTab, type View } from './views';

export function Details({ id, tab: first = 'facts' }: Extract<View, { kind: 'device' }>) {
  const { feed, guard, back } = useSidebar();
  const [tab, setTab] = useState<DeviceTab>(first);
  const [draft, setDraft] = useState<Draft>(noDraft);
  const [leaving, setLeaving] = useState<() => void>();
  const row = feed.rows.get(id);
  const { details, failure } = useDetails(id, row);
  const name = row?.name ?? details?.facts.name ?? id;
  const isUnsaved = details !== undefined && 'fields' in details.config && isDirty(details.config.fields, draft);
  useLayoutEffect(() => {
    guard.current = isUnsaved ? (leave) => setLeaving(() => leave) : undefined;
    return () => {
      guard.current = undefined;
    };
  }, [isUnsaved]);
  return (
    <section class="homie-view homie-device" aria-label={name}>
      <ViewHead title={name} back={t('back')} onBack={back}>
        <CopyReport id="device-report" about={{ device: id }} name={name} />
      </ViewHead>
      {leaving !== undefined && <LeaveQuestion onLeave={leaving} onStay={() => setLeaving(undefined)} />}
      <div class="homie-asked" hidden={leaving !== undefined}>
        {row !== undefined && <Now row={row} />}
        <Tabs tab={tab} name={name} onTab={setTab} />
        <div class="homie-tabpanel" role="tabpanel" id="homie-tabpanel" aria-labelledby={`homie-tab-${tab}`}>
          {failure !== undefined && (
            <p class="homie-notice" role="alert" data-verdict="bad">
              <Icon name="exclamation-circle" /> {failure.message}
            </p>
          )}
          {details === undefined && failure === undefined && <p class="homie-note">{t('connection.loading')}</p>}
          {details !== undefined && (
            <TabContent
              tab={tab}
              details={details}
              row={row}
              draft={draft}
              onDraft={setDraft}
              onStarted={() => {
                setDraft(noDraft);
                setTab('facts');
              }}
            />
          )}
        </div>
      </div>
    </section>
  );
}

interface TabInput {
  readonly tab: DeviceTab;
  readonly details: DeviceDetails;
  readonly row: TableRow | undefined;
  readonly draft: Draft;
  readonly onDraft: (draft: Draft) => void;
  readonly onStarted: () => void;
}

function TabContent({ tab, details, row, draft, onDraft, onStarted }: TabInput) {
  switch (tab) {
    case 'facts':
      return <Facts facts={details.facts} row={row} />;
    case 'config':
      return (
        <ConfigTab
          id={details.facts.id}
          config={details.config}
          draft={draft}
          onDraft={onDraft}
          onStarted={onStarted}
        />
      );
    case 'history':
      return <History rows={details.history} />;
  }
}

/** The state of the device, what is going on with it, and what can be done. */
function Now({ row }: { readonly row: TableRow }) {
  const { feed, mayWrite } = useSidebar();
  useTick(1000);
  const { id, name: device = id } = row;
  const { label, title, symbol, tone, progress } = statusOf(row, feed.now);
  return (
    <div class="homie-now">
      <p class="homie-nowstate">
        <span class="homie-dot" data-state={row.state} aria-hidden="true" />
        {t(`state.${row.state}`)}
      </p>
      <p class="homie-nowstatus" data-tone={tone} data-state={row.update?.state}>
        {symbol !== undefined && <Icon name={symbol} />} {label}
      </p>
      {mayWrite && (
        <div class="homie-nowactions">
          <ActionButtons
            id="device"
            rows={[row]}
            more={t('moreFor', { device })}
            moreTitle={t('more')}
            text={({ name }) => t(`action.${name}`)}
            isPrimary={({ name }) => name === 'update'}
          />
        </div>
      )}
      {progress !== undefined && <ProgressBar percent={progress} label={t('progress', { device })} />}
      {title !== undefined && <p class="homie-said">{title}</p>}
    </div>
  );
}

interface TabsInput {
  readonly tab: DeviceTab;
  readonly name: string;
  readonly onTab: (tab: DeviceTab) => void;
}

function Tabs({ tab, name, onTab }: TabsInput) {
  const list = useRef<HTMLDivElement>(null);
  const press = (event: KeyboardEvent): void => {
    const index = deviceTabs.indexOf(tab);
    const last = deviceTabs.length - 1;
    const to = { ArrowRight: index + 1, ArrowLeft: index - 1, Home: 0, End: last }[event.key];
    const next = to === undefined ? undefined : deviceTabs.at(to > last ? 0 : to);
    if (next === undefined) return;
    event.preventDefault();
    onTab(next);
    list.current?.querySelector<HTMLElement>(`[data-key="tab-${next}"]`)?.focus();
  };
  return (
    <div ref={list} class="homie-tabs" role="tablist" aria-label={t('device.tabs', { device: name })} onKeyDown={press}>
      {deviceTabs.map((each) => (
        <button
          key={each}
          type="button"
          role="tab"
          id={`homie-tab-${each}`}
          data-key={`tab-${each}`}
          aria-selected={each === tab}
          aria-controls="homie-tabpanel"
          tabIndex={each === tab ? 0 : -1}
          onClick={() => onTab(each)}
        >
          {t(`view.${each}`)}
        </button>
      ))}
    </div>
  );
}

/** Asks whether to discard what was entered. */
function LeaveQuestion({ onLeave, onStay }: { readonly onLeave: () => void; readonly onStay: () => void }) {
  const question = useRef<HTMLDivElement>(null);
  useLayoutEffect(() => {
    const { activeElement } = document;
    question.current?.querySelector('button')?.focus();
    return () => {
      if (activeElement instanceof HTMLElement) activeElement.focus();
    };
  }, []);
  return (
    <div ref={question} class="homie-leave" role="alertdialog" aria-labelledby="homie-leave">
      <p id="homie-leave">{t('config.unsaved')}</p>
      <div class="homie-buttons">
        <Button id="stay" onClick={onStay}>
          {t('config.stay')}
        </Button>
        <Button id="discard" kind="primary" onClick={onLeave}>
          {t('config.discard')}
        </Button>
      </div>
    </div>
  );
}

interface Loaded {
  /** As they were loaded last. */
  readonly details?: DeviceDetails;
  /** Why they could not be loaded again. */
  readonly failure?: Failure;
}

/** Loads the details of a device, and again when its row changes. */
function useDetails(id: string, row: TableRow | undefined): Loaded {
  const { broker } = useSidebar().feed;
  const [loaded, setLoaded] = useState<Loaded>({});
  const asked = useRef({ isAsking: false, isStale: false, isOpen: true });
  const look = async (): Promise<void> => {
    const { current } = asked;
    current.isStale = true;
    if (current.isAsking) return;
    current.isAsking = true;
    while (current.isStale && current.isOpen) {
      current.isStale = false;
      const found = await tried(ask<DeviceDetails>('GET', broker, ['devices', id]));
      const isFailed = found instanceof Failure;
      if (current.isOpen) setLoaded((before) => (isFailed ? { ...before, failure: found } : { details: found }));
    }
    current.isAsking = false;
  };
  useEffect(() => void look(), [row]);
  useEffect(
    () => () => {
      asked.current.isOpen = false;
    },
    [],
  );
  return loaded;
}
