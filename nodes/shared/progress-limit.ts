import type { Update } from '../../src/update/update';

/** ms between two messages about a device whose state is the same. */
const INTERVAL = 250;

/** Lets pass every change of state, phase or reason, and otherwise at most 4 messages a second for each device. */
export class ProgressLimit {
  readonly #last = new Map<string, { readonly step: string; readonly at: number }>();

  /** @param now ms */
  admits({ device, state, phase, reason, attempt, late }: Update, now: number): boolean {
    const step = `${state} ${phase ?? ''} ${reason ?? ''} ${attempt} ${late === true ? 'late' : ''}`;
    const last = this.#last.get(device);
    if (last?.step === step && now - last.at < INTERVAL) return false;
    this.#last.set(device, { step, at: now });
    return true;
  }
}
