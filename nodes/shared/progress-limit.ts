import type { Update } from '../../src/update/update';

/** Minimum time between two messages about a device whose state is unchanged, in ms. */
const INTERVAL = 250;

/**
 * Limits progress to 4 messages per second for each device. Every change of state, phase, reason or attempt passes, and
 * the first late update.
 */
export class ProgressLimit {
  readonly #last = new Map<string, { readonly step: string; readonly at: number }>();

  /** Returns whether to send an update. Its own `duration` counts, since it may be looked at later on a busy machine. */
  admits({ device, state, phase, reason, attempt, late, duration: at }: Update): boolean {
    const step = `${state} ${phase ?? ''} ${reason ?? ''} ${attempt} ${late === true ? 'late' : ''}`;
    const last = this.#last.get(device);
    if (last?.step === step && at - last.at < INTERVAL) return false;
    this.#last.set(device, { step, at });
    return true;
  }
}
