import { HomieError } from '../errors';
import type { ConfigReport, MoveReport, Outcome, Phase } from '../update/update';
import type { Check } from './check';
import type { LostValue } from './compare';
import type { PatchStep } from './patch-step';
import { problemError, reportProblem } from './problem';
import { reportRisk, reportWarning } from './warnings';

/** The results of the steps of a change. */
interface Results {
  /** Number of steps that are proven. */
  readonly done: number;
  /** The paths that the device is proven to have taken. */
  readonly taken: readonly string[];
  readonly lost: ConfigReport['lost'];
  readonly moved: readonly MoveReport[];
}

/** Progress of a step at the start of each phase, from 0 to 1. */
const shares: Partial<Record<Phase, number>> = { sending: 0, received: 0.25, rebooting: 0.5, verifying: 0.75 };

/** The progress of a change that is being sent, and its results so far. */
export class PatchProgress {
  readonly check: Check;
  #results: Results = { done: 0, taken: [], lost: [], moved: [] };
  /** Whether a reboot was proven after the last step. */
  #reboot: 'proven' | 'unproven' = 'proven';

  constructor(check: Check) {
    this.check = check;
  }

  /** Number of steps that are proven. */
  get done(): number {
    return this.#results.done;
  }

  get isComplete(): boolean {
    return this.done === this.check.steps.length;
  }

  /** Returns the progress in percent, at most 95 until the change has ended. */
  percentIn(phase: Phase): number {
    return Math.round(((this.done + (shares[phase] ?? 0)) / this.check.steps.length) * 95);
  }

  /** Records that the device has taken its next step. */
  took({ provenPaths }: PatchStep, reboot: 'proven' | 'unproven'): void {
    const { done, taken } = this.#results;
    this.#results = { ...this.#results, done: done + 1, taken: [...taken, ...provenPaths] };
    this.#reboot = reboot;
  }

  /** Records that the next step has failed. The device may have taken a part of it. */
  failed({ taken = [], lost = [] }: { taken?: readonly string[]; lost?: readonly LostValue[] }): void {
    this.#results = { ...this.#results, taken: [...this.#results.taken, ...taken], lost };
  }

  moved(moved: readonly MoveReport[]): void {
    this.#results = { ...this.#results, moved };
  }

  report(): ConfigReport {
    return reportOf(this.check, this.#results);
  }

  /** Returns the outcome with the report of the change. */
  outcome(outcome: Outcome): Outcome {
    return { ...outcome, config: this.report() };
  }

  get succeeded(): Outcome {
    return this.outcome({ state: 'succeeded', reboot: this.#reboot });
  }
}

/** Returns the report of a change for the user. */
export function reportOf(check: Check, { done, taken, lost, moved }: Results): ConfigReport {
  const { differences, problems, risks, warnings, unverified, sketch, steps, reboots } = check;
  const ends = new Set([...taken, ...steps.slice(0, done).flatMap(({ paths }) => paths)]);
  return {
    differences,
    problems: problems.map(reportProblem),
    risks: risks.map(reportRisk),
    warnings: warnings.map(reportWarning),
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

/** Returns the outcome of a change that is rejected or changes nothing; undefined if the change must be sent. */
export function endUnsent(check: Check): Outcome | undefined {
  const config = reportOf(check, { done: 0, taken: [], lost: [], moved: [] });
  if (check.verdict === 'rejected') return { state: 'rejected', error: rejection(check), config };
  if (check.verdict === 'no_change') return { state: 'skipped', reason: 'no_change', config };
  return undefined;
}

/** Returns the first problem, and how many more there are. */
function rejection({ problems }: Check): HomieError {
  const [first] = problems;
  return first === undefined ? new HomieError('UNEXPECTED') : problemError(first, problems.length - 1);
}
