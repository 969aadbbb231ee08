/**
 * Stores ahead that something may be sent to a sleeping device at any time. A device that wakes for 0.1 s may be asleep
 * again before a disk has stored anything. If the process ends, the device is locked until it is shown to have booted,
 * which a sleeping device does when it wakes.
 */
export class Preparation {
  readonly #store: () => Promise<boolean>;
  #made: { isStored: boolean } | undefined;

  /** @param store stores the device; resolves with whether that is on the disk */
  constructor(store: () => Promise<boolean>) {
    this.#store = store;
  }

  get isMade(): boolean {
    return this.#made !== undefined;
  }

  async make(): Promise<void> {
    if (this.isMade) return;
    const made = { isStored: false };
    this.#made = made;
    made.isStored = await this.#store();
  }

  /** Ends the preparation, since it is used up or no longer needed. Returns whether it is on the disk. */
  end(): boolean {
    const isStored = this.#made?.isStored === true;
    this.#made = undefined;
    return isStored;
  }
}
