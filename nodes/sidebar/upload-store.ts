import { randomUUID } from 'node:crypto';
import type { Firmware } from '../../src/firmware/firmware';
import { setNewest } from '../../src/set-newest';

/** What somebody was shown before the confirming click: these devices, and no others, are then updated. */
interface ShownPlan {
  readonly id: string;
  /** Those of the very homie-broker that was asked: after another deploy its settings may differ. */
  readonly updates: object;
  readonly devices: readonly string[];
}

/** A firmware that was uploaded, and waits for somebody to say what it is for. */
export interface Staged {
  readonly id: string;
  readonly firmware: Firmware;
  /** The last one that was shown; what was shown before does not count any more. */
  plan?: ShownPlan;
  /** The id of the plan that was asked for last, which may still be made. */
  requested?: string;
}

/** So many are kept; the one that was uploaded first goes first. */
const MAX_STAGED = 4;

/** For how long, in ms. */
const KEPT = 15 * 60_000;

/** Uploaded firmware, in memory. */
export class UploadStore {
  readonly #staged = new Map<string, { readonly staged: Staged; readonly timer: NodeJS.Timeout }>();

  add(firmware: Firmware): Staged {
    const staged: Staged = { id: randomUUID(), firmware };
    const timer = setTimeout(() => this.remove(staged.id), KEPT).unref();
    const [, dropped] = setNewest(this.#staged, staged.id, { staged, timer }, MAX_STAGED) ?? [];
    clearTimeout(dropped?.timer);
    return staged;
  }

  get(id: string): Staged | undefined {
    return this.#staged.get(id)?.staged;
  }

  remove(id: string): void {
    clearTimeout(this.#staged.get(id)?.timer);
    this.#staged.delete(id);
  }
}
