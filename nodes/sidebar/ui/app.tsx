/** The sidebar: the brokers, the table of their devices, and the views that cover it. */
import { useEffect, useMemo, useReducer, useRef, useState } from 'preact/hooks';
import { brokerNodes, mayWrite, type BrokerNode } from './editor';
import { Details } from './details';
import { Feed } from './feed';
import { FirstSteps } from './first-steps';
import { JobStrip, Jobs } from './jobs';
import { Offers, OfferLine } from './offers';
import { Icon } from './parts';
import { Plan } from './plan';
import { Report } from './report';
import { DeviceTable } from './table';
import { sentences, t, localNumber } from './texts';
import { useViews } from './view-stack';
import { SidebarContext, type Sidebar, type View } from './views';

/** Storage key of the last selected broker in this browser. */
const CHOSEN = 'homie-ota-broker';

/** How long a message is shown, in ms. */
const TOLD = 8000;

/** @param root the element that the sidebar fills */
export function App({ root }: { readonly root: HTMLElement }) {
  const [, changed] = useReducer((changes: number) => changes + 1, 0);
  const isWatched = (): boolean => root.checkVisibility() && document.visibilityState === 'visible';
  const feed = useMemo(() => new Feed(() => changed(undefined), isWatched), []);
  const brokers = useBrokers(feed);
  const { views, setViews, leave, ...ways } = useViews(root);
  const [told, setTold] = useTold();

  useEffect(() => {
    const shown = new IntersectionObserver(() => feed.look());
    shown.observe(root);
    document.addEventListener('visibilitychange', feed.look);
  }, []);
  const sidebar: Sidebar = { feed, mayWrite: mayWrite(), ...ways, tell: setTold };
  const take = (file: File): void => leave(() => setViews([{ view: { kind: 'offers', file }, from: 'add-firmware' }]));
  useDrops(root, take, sidebar.mayWrite);
  const view = views.at(-1)?.view;
  const note = noteOf(feed);
  return (
    <SidebarContext.Provider value={sidebar}>
      <Brokers
        brokers={brokers}
        broker={feed.broker}
        onChoose={(id) => leave(() => choose(feed, id, () => setViews([])))}
      />
      {note !== '' && (
        <p class="homie-note homie-connection" role="status">
          {note}
        </p>
      )}
      {view === undefined && feed.rows.size === 0 && <FirstSteps brokers={brokers} />}
      {view === undefined && <JobStrip />}
      {view === undefined && <OfferLine />}
      <DeviceTable isHidden={view !== undefined || feed.rows.size === 0} key={feed.broker} />
      {view !== undefined && <Shown view={view} key={views.length} />}
      <p class="homie-told" role="status" hidden={told === ''}>
        {told}
      </p>
    </SidebarContext.Provider>
  );
}

function Shown({ view }: { readonly view: View }) {
  switch (view.kind) {
    case 'plan':
      return <Plan {...view} />;
    case 'device':
      return <Details {...view} />;
    case 'offers':
      return <Offers {...view} />;
    case 'jobs':
      return <Jobs />;
    case 'report':
      return <Report {...view} />;
  }
}

interface BrokersInput {
  readonly brokers: readonly BrokerNode[];
  readonly broker: string;
  readonly onChoose: (id: string) => void;
}

function Brokers({ brokers, broker, onChoose }: BrokersInput) {
  if (brokers.length < 2) return null;
  return (
    <label class="homie-broker">
      <Icon name="globe" />
      <select aria-label={t('broker')} value={broker} onChange={({ currentTarget }) => onChoose(currentTarget.value)}>
        {brokers.map(({ id, label }) => (
          <option key={id} value={id}>
            {label}
          </option>
        ))}
      </select>
    </label>
  );
}

function choose(feed: Feed, id: string, leave: () => void): void {
  RED.settings.setLocal(CHOSEN, id);
  leave();
  feed.follow(id);
}

/** Returns the homie-brokers in the editor, and lets the feed follow one of them. */
function useBrokers(feed: Feed): readonly BrokerNode[] {
  const [brokers, setBrokers] = useState<readonly BrokerNode[]>([]);
  useEffect(() => {
    const list = (): void => {
      const found = brokerNodes();
      const wanted = [feed.broker, RED.settings.getLocal(CHOSEN)];
      const known = wanted.flatMap((id) => found.find((node) => node.id === id) ?? [])[0];
      setBrokers(found);
      feed.follow((known ?? found[0])?.id ?? '');
    };
    let soon: ReturnType<typeof setTimeout> | undefined;
    const listSoon = (): void => {
      clearTimeout(soon);
      soon = setTimeout(list, 200);
    };
    for (const event of ['flows:loaded', 'nodes:add', 'nodes:remove', 'nodes:change', 'deploy']) {
      RED.events.on(event, listSoon);
    }
    list();
  }, []);
  return brokers;
}

function useTold(): [string, (text: string) => void] {
  const [told, setTold] = useState('');
  const timer = useRef<ReturnType<typeof setTimeout> | undefined>(undefined);
  const tell = (text: string): void => {
    setTold(text);
    clearTimeout(timer.current);
    timer.current = setTimeout(() => setTold(''), TOLD);
  };
  return [told, tell];
}

/** Returns the text above the table. */
function noteOf({ state, reason, limit }: Feed): string {
  if (state === 'none') return '';
  if (state !== 'connected') return t(`connection.${state}`, { reason: sentences(reason) });
  return limit === undefined ? '' : t('limit', { limit: localNumber(limit) });
}

/** Accepts a file that is dropped anywhere in the sidebar. */
function useDrops(root: HTMLElement, take: (file: File) => void, isAllowed: boolean): void {
  const latest = useRef(take);
  latest.current = take;
  useEffect(() => {
    if (!isAllowed) return;
    let inside = 0;
    const heed = (event: DragEvent, change: (depth: number) => number): void => {
      if (event.dataTransfer?.types.includes('Files') !== true) return;
      // Otherwise the editor would import the file as a flow.
      event.preventDefault();
      event.stopPropagation();
      inside = change(inside);
      root.classList.toggle('homie-dropping', inside > 0);
    };
    root.addEventListener('dragenter', (event) => heed(event, (depth) => depth + 1));
    root.addEventListener('dragleave', (event) => heed(event, (depth) => Math.max(0, depth - 1)));
    root.addEventListener('dragover', (event) => heed(event, (depth) => depth));
    root.addEventListener('drop', (event) => {
      heed(event, () => 0);
      const file = event.dataTransfer?.files[0];
      if (file !== undefined) latest.current(file);
    });
  }, [root, isAllowed]);
}
