import type { Job, Select } from './job';

/** What a request brings, and to whom. */
export interface Order {
  /** The same for two requests that bring the same. */
  readonly identity: string;
  /** What a newer order replaces: the name of a firmware. */
  readonly subject?: string;
  /** It is for whatever devices there are, not for certain ones. */
  readonly forAll: boolean;
}

interface Entry {
  readonly job: Job;
  readonly order: Order;
}

/** The jobs of one node: a request that brings what a job brings joins it, and a newer firmware takes over what waits. */
export class Desk {
  readonly #entries = new Map<string, Entry>();

  /** From old to new, also those that have ended and can be retried. */
  get jobs(): Job[] {
    return [...this.#entries.values()].map(({ job }) => job);
  }

  /** Those that have not ended. */
  get open(): Job[] {
    return this.jobs.filter(({ isEnded }) => !isEnded);
  }

  /** The open job that brings the same. */
  find(identity: string): Job | undefined {
    return [...this.#entries.values()].find(({ job, order }) => order.identity === identity && !job.isEnded)?.job;
  }

  add(job: Job, order: Order): void {
    this.#entries.set(job.id, { job, order });
  }

  remove(job: Job): void {
    this.#entries.delete(job.id);
  }

  /**
   * Lets an order for a newer firmware find its devices: those that wait in older jobs for the same firmware name are
   * handed over. An older one that is open for devices to come is closed by an order that is for all devices, too.
   */
  takingOver(order: Order, select: Select): Select {
    return async (signal) => {
      const devices = await select(signal);
      for (const { job, order: older } of this.#others(order).older) {
        await job.handOver(devices);
        if (order.forAll && older.forAll) job.close();
      }
      return devices;
    };
  }

  /**
   * Resolves when no older job for the same firmware name does anything with a device: what runs is finished.
   *
   * @returns whether the device is to be left to a newer one, which has it or waits for it to appear
   */
  async finished(order: Order, device: string): Promise<boolean> {
    const { older, newer } = this.#others(order);
    if (newer.some(({ job }) => job.claims(device))) return true;
    await Promise.all(older.map(({ job }) => job.served(device)));
    return false;
  }

  /** The other ones for the same firmware name. */
  #others(order: Order): { older: Entry[]; newer: Entry[] } {
    const { identity, subject } = order;
    if (subject === undefined) return { older: [], newer: [] };
    const entries = [...this.#entries.values()].filter(
      ({ order: each }) => each === order || (each.subject === subject && each.identity !== identity),
    );
    const own = entries.findIndex(({ order: each }) => each === order);
    return { older: entries.slice(0, own), newer: entries.slice(own + 1) };
  }
}
