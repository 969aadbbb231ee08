import type { Device } from '../homie/device';

/** `isStored` is undefined while that is being stored. */
interface Made {
  isStored: boolean | undefined;
}

/**
 * Stores ahead that something may be sent to a sleeping device at any time. A device that wakes for 0.1 s may be asleep
 * again before a disk has stored anything. If the process is killed, the device is locked until it is shown to have
 * booted, which a sleeping device does when it wakes.
 */
export class Preparation {
  readonly #store: () => Promise<boolean>;
  #made: Made | undefined;
  /** Whether an earlier process was killed after its preparation. Then the next publish waits for the disk. */
  #isInherited: boolean;

  /**
   * @param store stores the device; resolves with whether that is on the disk
   * @param isInherited whether an earlier process has left its preparation
   */
  constructor(store: () => Promise<boolean>, isInherited: boolean) {
    this.#store = store;
    this.#isInherited = isInherited;
  }

  get isMade(): boolean {
    return this.#made !== undefined;
  }

  /** Prepares for the next wake of a device, if it sleeps. @param known what is known of it */
  async make(known: Device | undefined): Promise<void> {
    // Without an uptime, nothing would show that the device has booted.
    const isAsleep = known?.state?.value === 'sleeping' && known.uptime !== undefined;
    const hasFailed = this.#made?.isStored === false;
    if (!isAsleep || (this.isMade && !hasFailed) || this.#isInherited) return;
    const made: Made = { isStored: undefined };
    this.#made = made;
    made.isStored = await this.#store();
  }

  /** Takes the preparation back, and stores that: the device stays awake. */
  undo(): void {
    if (!this.isMade) return;
    this.end();
    void this.#store();
  }

  /** Ends the preparation when something is sent. Returns whether it is on the disk. */
  use(): boolean {
    const isStored = this.#made?.isStored === true;
    this.end();
    this.#isInherited = false;
    return isStored;
  }

  end(): void {
    this.#made = undefined;
  }

  /**
   * Returns whether to store that something may have been sent.
   *
   * @param isKept whether the job is left to a later process in order, so that nothing more is sent
   * @param isLocked whether the device may still have something to boot
   */
  isToStore(isKept: boolean, isLocked: () => boolean): boolean {
    return (this.isMade && !isKept) || (this.#isInherited && isLocked());
  }
}
