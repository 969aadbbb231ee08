/** What a change of the configuration would do, and the click that confirms it. */
import { useEffect, useRef, useState } from 'preact/hooks';
import type { ConfigField } from '../form-fields';
import type { Remark } from '../../../src/config/check-device';
import { MASK } from '../../../src/config/json';
import type { PlanAnswer, PlannedChange, PlannedDevice } from '../answers';
import { pathLabel, valueText } from './config-labels';
import { Button, Icon, Verdict } from './parts';
import { count, sentences, t } from './texts';

interface ConfigPlanInput {
  readonly plan: PlanAnswer;
  readonly fields: readonly ConfigField[];
  readonly isStarting: boolean;
  readonly onConfirm: () => void;
  readonly onBack: () => void;
}

/** Shows the plan of a change. Risks must be acknowledged before the change can be confirmed. */
export function ConfigPlan({ plan, fields, isStarting, onConfirm, onBack }: ConfigPlanInput) {
  const title = useRef<HTMLHeadingElement>(null);
  const [hasRead, setRead] = useState(false);
  useEffect(() => title.current?.focus(), []);
  const [device] = plan.devices;
  const { config, included = false, says = [] } = device ?? {};
  const isRisky = included && (config?.risks.length ?? 0) > 0;
  return (
    <section class="homie-change" aria-labelledby="homie-change">
      <div class="homie-scroller">
        <h4 id="homie-change" ref={title} tabIndex={-1}>
          {t('config.plan')}
        </h4>
        {!included && <Verdict verdict="none" text={sentences(says)} />}
        {config !== undefined && <Change config={config} fields={fields} isIncluded={included} />}
        {included && !isNow(device) && <p class="homie-said">{sentences(says)}</p>}
        {isRisky && (
          <label class="homie-check homie-acknowledge">
            <input
              type="checkbox"
              data-key="risks"
              checked={hasRead}
              onClick={({ currentTarget }) => setRead(currentTarget.checked)}
            />
            {t('config.hasRead')}
          </label>
        )}
      </div>
      <div class="homie-buttons homie-foot">
        <Button id="edit" onClick={onBack}>
          {t('config.stay')}
        </Button>
        {included && (
          <Button id="confirm" kind="primary" disabled={isStarting || (isRisky && !hasRead)} onClick={onConfirm}>
            {t('config.confirm')}
          </Button>
        )}
      </div>
    </section>
  );
}

/** Returns whether the change is sent as soon as it is confirmed. */
function isNow(device: PlannedDevice | undefined): boolean {
  return device?.verdict === 'set' || device?.verdict === 'unknown';
}

interface ChangeInput {
  readonly config: PlannedChange;
  readonly fields: readonly ConfigField[];
  readonly isIncluded: boolean;
}

function Change({ config, fields, isIncluded }: ChangeInput) {
  const { differences, risks, warnings, sketch, reboots } = config;
  return (
    <>
      <ul class="homie-differences">
        {differences.map(({ path, from, to }) => (
          <li key={path}>
            <span>{pathLabel(fields, path)}</span>
            <span class="homie-from-to">
              {from === MASK && to === MASK ? (
                t('config.newSecret')
              ) : (
                <>
                  <del>{valueText(from)}</del> → <ins>{valueText(to)}</ins>
                </>
              )}
            </span>
          </li>
        ))}
      </ul>
      <Remarks icon="exclamation-triangle" tone="bad" title={t('config.risks')} remarks={risks} fields={fields} />
      <Remarks icon="info-circle" tone="busy" title={t('config.warnings')} remarks={warnings} fields={fields} />
      {sketch.length > 0 && (
        <p class="homie-said">
          {t('config.sketch', { fields: sketch.map((path) => pathLabel(fields, path)).join(', ') })}
        </p>
      )}
      {isIncluded && <p class="homie-summary">{count('config.reboots', reboots)}</p>}
    </>
  );
}

interface RemarksInput {
  readonly icon: string;
  readonly tone: string;
  readonly title: string;
  readonly remarks: readonly Remark[];
  readonly fields: readonly ConfigField[];
}

function Remarks({ icon, tone, title, remarks, fields }: RemarksInput) {
  if (remarks.length === 0) return null;
  return (
    <section class="homie-remarks" data-tone={tone} aria-label={title}>
      <h5>
        <Icon name={icon} /> {title}
      </h5>
      <ul>
        {remarks.map(({ path, says }) => (
          <li key={path}>
            {path !== '' && <strong>{pathLabel(fields, path)}: </strong>}
            {sentences(says)}
          </li>
        ))}
      </ul>
    </section>
  );
}
