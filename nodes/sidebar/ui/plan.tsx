/** What an action would do to each device, and the click that confirms it. */
import { useEffect, useRef } from 'preact/hooks';
import type { PlanAnswer, PlannedDevice } from '../answers';
import { planOf } from './actions';
import { Failure } from './api';
import { Button, Icon, Verdict, ViewHead } from './parts';
import { count, known, sentences, t } from './texts';
import { usePlan } from './use-plan';
import { useSidebar, type View } from './views';
import { VirtualList } from './virtual-list';

const HEIGHT = 40;

type PlanView = Extract<View, { kind: 'plan' }>;

/** Shows a plan, and starts it when the user confirms. */
export function Plan({ title, request }: PlanView) {
  const { feed, back, home } = useSidebar();
  const { plan, isBusy, check, start } = usePlan(home);
  useEffect(() => void check(request), []);
  return (
    <section class="homie-view" aria-label={title}>
      <ViewHead title={title} back={t('back')} onBack={back} />
      {RED.nodes.node(feed.broker)?.changed === true && <p class="homie-note">{t('undeployedChanges')}</p>}
      <PlanBody plan={plan} />
      <div class="homie-buttons">
        <EnableOta plan={plan} />
        <Button id="again" onClick={() => void check(request)}>
          {t('again')}
        </Button>
        {plan !== undefined && !(plan instanceof Failure) && (
          <Button
            id="confirm"
            kind="primary"
            disabled={isBusy || includedOf(plan).length === 0}
            onClick={() => void start(plan)}
          >
            {count(`plan.${request.action}.confirm`, includedOf(plan).length)}
          </Button>
        )}
      </div>
    </section>
  );
}

/** Offers to enable OTA on the devices that an update leaves out because it is disabled. */
function EnableOta({ plan }: { readonly plan: PlanAnswer | Failure | undefined }) {
  const { show } = useSidebar();
  if (plan === undefined || plan instanceof Failure) return null;
  const disabled = plan.devices.filter(({ verdict }) => verdict === 'ota_disabled');
  if (disabled.length === 0) return null;
  return (
    <Button id="enable-ota" onClick={() => show(planOf('enableOta', disabled))}>
      {count('plan.enableOta', disabled.length)}
    </Button>
  );
}

function PlanBody({ plan }: { readonly plan: PlanAnswer | Failure | undefined }) {
  const viewport = useRef<HTMLDivElement>(null);
  if (plan === undefined) {
    return (
      <p class="homie-note" role="status">
        <Icon name="spinner" /> {t('checking')}
      </p>
    );
  }
  if (plan instanceof Failure) {
    return <Verdict verdict="bad" role="alert" text={plan.message} />;
  }
  const included = includedOf(plan);
  const skipped = plan.devices.filter((device) => !device.included);
  const summary = [
    count(`plan.${plan.action}.included`, included.length),
    skipped.length > 0 && count('plan.skipped', skipped.length),
    plan.others > 0 && count('plan.others', plan.others),
  ];
  return (
    <>
      <p class="homie-summary" role="status">
        {summary.filter(Boolean).join(' ')}
      </p>
      <div ref={viewport} class="homie-plan" tabIndex={0} role="group" aria-label={t('planned')}>
        <VirtualList
          viewport={viewport}
          items={[...included, ...skipped]}
          height={HEIGHT}
          role="list"
          row={(device, index, top) => (
            <Planned key={device.id} device={device} index={index} total={plan.devices.length} top={top} />
          )}
        />
      </div>
    </>
  );
}

interface PlannedInput {
  readonly device: PlannedDevice;
  readonly index: number;
  readonly total: number;
  readonly top: number;
}

function Planned({ device, index, total, top }: PlannedInput) {
  const { id, name = id, included, verdict, says, from, to } = device;
  const versions = [from?.version, included ? to?.version : undefined].filter(Boolean).join(' → ');
  const why = sentences(says);
  // A reason to leave the device out, or not to send an image again, says more than its verdict.
  const isPlain = included && verdict !== 'held';
  const text = isPlain || why === '' ? (known(`verdict.${verdict}`) ?? why) : why;
  return (
    <div
      class="homie-planned"
      role="listitem"
      aria-setsize={total}
      aria-posinset={index + 1}
      data-included={included}
      title={why}
      style={{ top: `${top}px` }}
    >
      <Icon name={included ? 'check' : 'minus'} />
      <span class="homie-plan-name">{name === id ? id : `${name} (${id})`}</span>
      <span class="homie-plan-change">{versions}</span>
      <span class="homie-plan-verdict">{text}</span>
    </div>
  );
}

function includedOf({ devices }: PlanAnswer): PlannedDevice[] {
  return devices.filter(({ included }) => included);
}
