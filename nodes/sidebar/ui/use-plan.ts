/** A plan: what an action would do, and its start. */
import { useEffect, useRef, useState } from 'preact/hooks';
import type { PlanAnswer, PlanRequest, StartAnswer } from '../answers';
import { ask, Failure, tried } from './api';
import { count } from './texts';
import { useSidebar } from './views';

/** Makes a plan in Node-RED, and starts it when the user confirms it. Ignores the answers after the view is closed. */
export function usePlan(onStarted: () => void) {
  const { feed, tell } = useSidebar();
  const [plan, setPlan] = useState<PlanAnswer | Failure>();
  const [requests, setRequests] = useState(0);
  const isOpen = useRef(true);
  useEffect(
    () => () => {
      isOpen.current = false;
    },
    [],
  );
  const send = async <Answer>(path: readonly string[], body?: object): Promise<Answer | Failure | undefined> => {
    setRequests((number) => number + 1);
    const answer = await tried(ask<Answer>('POST', feed.broker, ['plans', ...path], body));
    if (!isOpen.current) return undefined;
    setRequests((number) => number - 1);
    return answer;
  };
  /** Returns the plan, or why there is none; undefined if the view was closed meanwhile. */
  const check = async (request: PlanRequest): Promise<PlanAnswer | Failure | undefined> => {
    setPlan(undefined);
    const found = await send<PlanAnswer>([], request);
    if (found !== undefined) setPlan(found);
    return found;
  };
  /** Returns why the plan has not started. */
  const start = async ({ id, action }: PlanAnswer): Promise<Failure | undefined> => {
    const answer = await send<StartAnswer>([id, 'start']);
    if (answer === undefined) return undefined;
    if (answer instanceof Failure) {
      setPlan(answer);
      return answer;
    }
    tell(count(`plan.${action}.done`, answer.devices));
    feed.look();
    onStarted();
    return undefined;
  };
  return { plan, isBusy: requests > 0, check, start, drop: () => setPlan(undefined) };
}
