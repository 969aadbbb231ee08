import type { Update } from '../../src/update/update';

/** Minimum time between two messages about a device whose state is unchanged, in ms. */
const INTERVAL = 250;

/**
 * Limits progress to 4 messages per second for each device. Every change of state, phase, reason or attempt passes, and
 * the first late update.
 */
export class ProgressLimit {
  readonly #last = new Map<string, { readonly step: string; readonly at: number }>();

  /**
   * Returns whether to send an update.
   *
   * @param now in ms
   */
  admits({ device, state, phase, reason, attempt, late }: Update, now: number): boolean {
    const step = `${state} ${phase ?? ''} ${reason ?? ''} ${attempt} ${late === true ? 'late' : ''}`;
    const last = this.#last.get(device);
    if (last?.step === step && now - last.at < INTERVAL) return false;
    this.#last.set(device, { step, at: now });
    return true;
  }
}
