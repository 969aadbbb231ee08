import { HomieError } from '../errors';
import type { ConfigReport, MoveReport, Outcome, Phase } from '../update/update';
import type { Check } from './check';
import type { LostValue } from './compare';
import type { PatchStep } from './patch-step';
import { problemError, reportProblem } from './problem';

/** What became of the steps of a change. */
interface Results {
  /** Steps that are proven. */
  readonly done: number;
  /** The paths that the device is proven to have taken. */
  readonly taken: readonly string[];
  readonly lost: ConfigReport['lost'];
  readonly moved: readonly MoveReport[];
}

/** How far a step is in each phase. */
const shares: Partial<Record<Phase, number>> = { sending: 0, received: 0.25, rebooting: 0.5, verifying: 0.75 };

/** How far a change is that is being sent, and what is known of it until then. */
export class PatchProgress {
  readonly check: Check;
  #results: Results = { done: 0, taken: [], lost: [], moved: [] };
  /** Whether a reboot was shown since the last step. */
  #reboot: 'proven' | 'unproven' = 'proven';

  constructor(check: Check) {
    this.check = check;
  }

  /** Steps that are proven. */
  get done(): number {
    return this.#results.done;
  }

  get isComplete(): boolean {
    return this.done === this.check.steps.length;
  }

  percentIn(phase: Phase): number {
    return Math.round(((this.done + (shares[phase] ?? 0)) / this.check.steps.length) * 95);
  }

  /** The device has taken its next step. */
  took({ provenPaths }: PatchStep, reboot: 'proven' | 'unproven'): void {
    const { done, taken } = this.#results;
    this.#results = { ...this.#results, done: done + 1, taken: [...taken, ...provenPaths] };
    this.#reboot = reboot;
  }

  /** Its next step has failed; the device may have taken a part of it. */
  failed({ taken = [], lost = [] }: { taken?: readonly string[]; lost?: readonly LostValue[] }): void {
    this.#results = { ...this.#results, taken: [...this.#results.taken, ...taken], lost };
  }

  moved(moved: readonly MoveReport[]): void {
    this.#results = { ...this.#results, moved };
  }

  report(): ConfigReport {
    return reportOf(this.check, this.#results);
  }

  /** The outcome with all that is known of the change. */
  outcome(outcome: Outcome): Outcome {
    return { ...outcome, config: this.report() };
  }

  get succeeded(): Outcome {
    return this.outcome({ state: 'succeeded', reboot: this.#reboot });
  }
}

/** A change as it is told to the user. */
export function reportOf(check: Check, { done, taken, lost, moved }: Results): ConfigReport {
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
