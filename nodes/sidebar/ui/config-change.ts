/** A change of the configuration: check, confirm, start. */
import type { ConfigField } from '../form-fields';
import type { JsonObject } from '../../../src/config/json';
import type { Remark } from '../../../src/config/check-device';
import type { PlanAnswer } from '../answers';
import { Failure } from './api';
import { pathLabel } from './config-labels';
import { sentences } from './texts';
import { usePlan } from './use-plan';

/** Why a patch is refused, in the language of the editor. */
export interface Refusal {
  /** By the paths of the fields. */
  readonly byField: ReadonlyMap<string, string>;
  readonly others: readonly string[];
}

/** The form shows risks and restarts before the user confirms. */
const change = { action: 'set', allowRisky: true, split: true } as const;

export const noRefusal: Refusal = { byField: new Map(), others: [] };

/** Returns a refusal that is not about a field. */
export function refusal(text: string): Refusal {
  return { ...noRefusal, others: [text] };
}

/** Returns why Node-RED refuses a patch. */
function problemsOf({ devices }: PlanAnswer): readonly Remark[] {
  return devices[0]?.config?.problems ?? [];
}

/** Divides problems into those of fields in the form and others. */
function refusalOf(problems: readonly Remark[], fields: readonly ConfigField[], isForm: boolean): Refusal {
  const isField = ({ path }: Remark): boolean => isForm && fields.some((field) => field.path === path);
  const others = problems.filter((each) => !isField(each));
  return {
    byField: new Map(problems.filter(isField).map(({ path, says }) => [path, sentences(says)])),
    others: others.map(({ path, says }) =>
      [path !== '' && `${pathLabel(fields, path)}:`, sentences(says)].filter(Boolean).join(' '),
    ),
  };
}

/** Checks a patch in Node-RED, and starts the change when the user confirms it. */
export function useChange(id: string, fields: readonly ConfigField[], onStarted: () => void) {
  const { plan, check: make, start: begin, isBusy, drop } = usePlan(onStarted);
  /** @param isForm whether the fields are shown */
  const check = async (patch: JsonObject, isForm: boolean): Promise<Refusal> => {
    const found = await make({ ...change, devices: [id], patch });
    if (found instanceof Failure) return refusal(found.message);
    return found === undefined ? noRefusal : refusalOf(problemsOf(found), fields, isForm);
  };
  const start = async (confirmed: PlanAnswer): Promise<Refusal> => {
    const failure = await begin(confirmed);
    return failure === undefined ? noRefusal : refusal(failure.message);
  };
  const isFit = plan !== undefined && !(plan instanceof Failure) && problemsOf(plan).length === 0;
  return { plan: isFit ? plan : undefined, isBusy, check, start, drop };
}
