import { HomieError } from '../errors';
import type { ConfigReport, Outcome } from '../update/update';
import type { Check } from './check';
import { problemError, reportProblem } from './problem';

/** What became of the steps of a change. */
interface PatchProgress {
  /** Steps that are proven. */
  readonly done: number;
  /** The paths that the device is proven to have taken. */
  readonly taken: readonly string[];
  readonly lost: ConfigReport['lost'];
  readonly moved: NonNullable<ConfigReport['moved']>;
}

/** A change as it is told to the user. */
export function reportOf(check: Check, { done, taken, lost, moved }: PatchProgress): ConfigReport {
  const { differences, problems, risks, warnings, unverified, sketch, steps, reboots } = check;
  const ends = new Set([...taken, ...steps.slice(0, done).flatMap(({ paths }) => paths)]);
  return {
    differences,
    problems: problems.map(reportProblem),
    risks,
    warnings,
    unverified,
    sketch,
    messages: steps.length,
    reboots,
    taken,
    untaken: steps.flatMap(({ paths }) => paths).filter((path) => !ends.has(path)),
    lost,
    ...(moved.length > 0 && { moved }),
  };
}

/** How a change ends of which nothing is to be sent; undefined when it is to be sent. */
export function endUnsent(check: Check): Outcome | undefined {
  const config = reportOf(check, { done: 0, taken: [], lost: [], moved: [] });
  if (check.verdict === 'rejected') return { state: 'rejected', error: rejection(check), config };
  if (check.verdict === 'no_change') return { state: 'skipped', reason: 'no_change', config };
  return undefined;
}

/** The first problem, and how many more there are. */
function rejection({ problems }: Check): HomieError {
  const [first] = problems;
  return first === undefined ? new HomieError('UNEXPECTED') : problemError(first, problems.length - 1);
}
