import { randomUUID } from 'node:crypto';
import type { Firmware } from '../../src/firmware/firmware';
import { setNewest } from '../../src/set-newest';

/** The plan that a user saw before confirming: exactly these devices are then updated. */
interface ShownPlan {
  readonly id: string;
  /** The updates of the very homie-broker that made the plan. After another deploy, its settings may differ. */
  readonly updates: object;
  readonly devices: readonly string[];
}

/** An uploaded image that waits for a user to choose its devices. */
export interface Staged {
  readonly id: string;
  readonly firmware: Firmware;
  /** The plan that was shown last. Earlier ones are no longer valid. */
  plan?: ShownPlan;
  /** The id of the plan that was requested last, which may still be in preparation. */
  requested?: string;
}

/** Maximum number of images to keep. The one uploaded first is dropped first. */
const MAX_STAGED = 4;

/** How long an image is kept, in ms. */
const KEPT = 15 * 60_000;

/** Uploaded images, in memory. */
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
