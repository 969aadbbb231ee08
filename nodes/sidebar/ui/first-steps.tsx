/** What to do while there are no devices to show. */
import { nameAndVersion } from '../../../src/update/firmware-name';
import { deploy, mayDeploy, openSettings, type BrokerNode, type TestedDevice } from './editor';
import type { FeedState } from './feed';
import { Button, Icon, useTick } from './parts';
import { CopyReport } from './report';
import { count, known, t } from './texts';
import { useSidebar } from './views';

/** The states in which the user can do something. */
const steps = { none: 'plus', undeployed: 'rocket', disconnected: 'plug', connected: 'search' } as const;

type Step = keyof typeof steps;

/** Shows what is missing, and one step to get it. */
export function FirstSteps({ brokers }: { readonly brokers: readonly BrokerNode[] }) {
  const { feed } = useSidebar();
  // The test in the dialog does not notify the sidebar.
  useTick(1000);
  const { broker, state } = feed;
  const node = RED.nodes.node(broker);
  if (!isStep(state)) return null;
  const label = brokers.find(({ id }) => id === broker)?.label ?? broker;
  const tested = state === 'undeployed' ? (window.homieTested?.[broker] ?? []) : [];
  return (
    <section class="homie-first" aria-label={t(`first.${state}.title`)} data-step={state}>
      <Icon name={steps[state]} />
      <h3>{t(`first.${state}.title`)}</h3>
      <p>{t(`first.${state}.text`, { broker: label, baseTopic: node?.baseTopic ?? 'homie/' })}</p>
      {tested.length > 0 && <Tested devices={tested} />}
      {mayDeploy() && <StepButtons state={state} broker={broker} />}
      {(state === 'disconnected' || state === 'connected') && <CopyReport id="copy-report" />}
    </section>
  );
}

function isStep(state: FeedState): state is Step {
  return Object.hasOwn(steps, state);
}

function StepButtons({ state, broker }: { readonly state: Step; readonly broker: string }) {
  const settings = (
    <Button
      id="settings"
      kind={state === 'undeployed' ? 'plain' : 'primary'}
      icon="cog"
      onClick={() => openSettings(broker)}
    >
      {t('first.settings')}
    </Button>
  );
  if (state === 'none') {
    return (
      <Button id="add-broker" kind="primary" icon="plus" onClick={() => openSettings()}>
        {t('first.add')}
      </Button>
    );
  }
  if (state !== 'undeployed') return settings;
  return (
    <>
      <Button id="deploy" kind="primary" icon="rocket" onClick={deploy}>
        {t('first.deploy')}
      </Button>
      {settings}
    </>
  );
}

/** Lists what the test in the dialog has found. The names are untrusted. */
function Tested({ devices }: { readonly devices: readonly TestedDevice[] }) {
  return (
    <>
      <p>{count('first.tested', devices.length)}</p>
      <ul class="homie-tested">
        {devices.map(({ id, name = id, firmware, version, state = '' }) => (
          <li key={id}>
            <span class="homie-dot" data-state={state} aria-hidden="true" />
            <span class="homie-ellipsis" title={name === id ? id : `${name} (${id})`}>
              {name}
            </span>
            <span class="homie-muted homie-ellipsis" title={nameAndVersion({ name: firmware, version })}>
              {[known(`state.${state}`), firmware, version].filter(Boolean).join(' ')}
            </span>
          </li>
        ))}
      </ul>
    </>
  );
}
