/** A change of the configuration: check, confirm, start. */
import { useEffect, useRef, useState } from 'preact/hooks';
import type { ConfigField } from '../form-fields';
import type { JsonObject } from '../../../src/config/json';
import type { Remark } from '../../../src/config/check-device';
import type { PlanAnswer, StartAnswer } from '../answers';
import { ask, Failure, tried } from './api';
import { pathLabel } from './config-labels';
import { count, sentences } from './texts';
import { useSidebar } from './views';

/** Why a patch is refused, in the language of the editor. */
export interface Refusal {
  /** By the paths of the fields. */
  readonly byField: ReadonlyMap<string, string>;
  readonly others: readonly string[];
}

/** The form shows risks and restarts before the user confirms. */
const change = { action: 'set', allowRisky: true, split: true };

export const noRefusal: Refusal = { byField: new Map(), others: [] };

/** Returns a refusal that is not about a field. */
export function refusal(text: string): Refusal {
  return { ...noRefusal, others: [text] };
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
  const { feed, tell } = useSidebar();
  const [plan, setPlan] = useState<PlanAnswer>();
  const [isBusy, setBusy] = useState(false);
  const isOpen = useRef(true);
  useEffect(
    () => () => {
      isOpen.current = false;
    },
    [],
  );
  const send = async <Answer>(path: readonly string[], body?: object): Promise<Answer | Failure> => {
    setBusy(true);
    const answer = await tried(ask<Answer>('POST', feed.broker, path, body));
    if (isOpen.current) setBusy(false);
    return answer;
  };
  /** @param isForm whether the fields are shown */
  const check = async (patch: JsonObject, isForm: boolean): Promise<Refusal> => {
    const found = await send<PlanAnswer>(['plans'], { ...change, devices: [id], patch });
    if (found instanceof Failure) return refusal(found.message);
    const problems = found.devices[0]?.config?.problems ?? [];
    if (problems.length > 0) return refusalOf(problems, fields, isForm);
    if (isOpen.current) setPlan(found);
    return noRefusal;
  };
  const start = async (): Promise<Refusal> => {
    const answer = await send<StartAnswer>(['plans', plan?.id ?? '', 'start']);
    if (!isOpen.current) return noRefusal;
    setPlan(undefined);
    if (answer instanceof Failure) return refusal(answer.message);
    tell(count('plan.set.done', answer.devices));
    feed.look();
    onStarted();
    return noRefusal;
  };
  return { plan, isBusy, check, start, drop: () => setPlan(undefined) };
}
