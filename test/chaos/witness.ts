import { isFinal, type Update } from '../../src/update/update';
import { meaningOf } from './images';
import type { Seen, Verdict } from './record';

/** Records the progress and the results of a job. */
export class Witness {
  readonly #what: string;
  readonly #patch: object | undefined;
  readonly #see: (seen: Seen) => void;
  readonly #changed: (update: Update) => void;
  /** Last state, phase and attempt of each device. */
  readonly #last = new Map<string, string>();
  /** Why each device waits. */
  readonly #waits = new Map<string, string | undefined>();

  /**
   * @param identity MD5 of the job's image, or text of its patch
   * @param changed called once for each new state, phase or attempt
   */
  constructor(identity: string, see: (seen: Seen) => void, changed: (update: Update) => void) {
    const isPatch = identity.startsWith('{');
    this.#what = isPatch ? 'patch' : identity;
    this.#patch = isPatch ? Object(JSON.parse(identity)) : undefined;
    this.#see = see;
    this.#changed = changed;
  }

  progress(update: Update): void {
    const { device, job, state, phase, attempt } = update;
    if (update.late === true) return this.#see(verdictOf(update, this.#patch));
    if (!isFinal(state)) this.#waits.set(device, state === 'waiting' ? update.reason : undefined);
    const told = `${state} ${phase} ${attempt}`;
    if (this.#last.get(device) === told) return;
    this.#last.set(device, told);
    if (state === 'running' && phase === 'sending') {
      this.#see({ kind: 'sending', at: performance.now(), device, job, what: this.#what });
    }
    this.#changed(update);
  }

  stopped(): void {
    this.#see({ kind: 'stopped', at: performance.now(), device: '', what: this.#what });
  }

  result(update: Update): void {
    const waited = this.#waits.get(update.device);
    this.#see({ ...verdictOf(update, this.#patch), ...(waited !== undefined && { waited }) });
  }
}

/** Returns the verdict in a final update. @param patch the patch of a configuration change */
export function verdictOf(update: Update, patch: object | undefined): Verdict {
  const { device, job, state, error, reason, reboot, attempt, from, to, late, config } = update;
  return {
    kind: 'verdict',
    at: performance.now(),
    device,
    job,
    state,
    attempt,
    ...(error !== undefined && { code: error.code }),
    ...(error?.status !== undefined && { status: error.status }),
    ...(reason !== undefined && { reason }),
    ...(reboot !== undefined && { reboot }),
    ...(from.checksum !== undefined && { before: from.checksum }),
    ...(to?.checksum !== undefined && { image: meaningOf(to.checksum) }),
    ...(patch !== undefined && { patch }),
    ...(late === true && { late }),
    ...(patch !== undefined && config !== undefined && { taken: config.taken }),
  };
}
