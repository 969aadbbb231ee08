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
  /** When each of its devices was last asked for, counted in requests. */
  readonly asked: Map<string, number>;
}

/** The jobs of one node: a request that brings what a job brings joins it, and a newer firmware takes over what waits. */
export class Desk {
  readonly #entries = new Map<string, Entry>();
  #requests = 0;

  /** From old to new, also those that have ended and can be retried. */
  get jobs(): Job[] {
    return [...this.#entries.values()].map(({ job }) => job);
  }

  /** Those that have not ended. */
  get open(): Job[] {
    return this.jobs.filter(({ isEnded }) => !isEnded);
  }

  /** Whether a job that has not ended has a device. */
  isServed(device: string): boolean {
    for (const { job } of this.#entries.values()) if (!job.isEnded && job.has(device)) return true;
    return false;
  }

  /** The open job that brings the same. */
  find(identity: string): Job | undefined {
    return this.#find(identity)?.job;
  }

  /** The job that was last asked for a device, or else the newest one that has it. */
  lastFor(device: string): Job | undefined {
    const entries = [...this.#entries.values()];
    return (lastAsked(entries, device) ?? entries.findLast(({ job }) => job.has(device)))?.job;
  }

  add(job: Job, order: Order): void {
    const request = (this.#requests += 1);
    const devices = job.summary().devices.filter(({ state }) => state !== 'canceled');
    this.#entries.set(job.id, { job, order, asked: new Map(devices.map(({ device }) => [device, request])) });
  }

  remove(job: Job): void {
    this.#entries.delete(job.id);
  }

  /**
   * Lets a request find its devices, whether it begins a job or joins one. Those that wait in other jobs for the same
   * firmware name, for which they were asked before, are handed over. An older one that is open for devices to come is
   * closed by an order that is for all devices, too.
   */
  takingOver(order: Order, select: Select): Select {
    // The later request counts, whichever finds its devices first.
    const request = (this.#requests += 1);
    const own = [...this.#entries.values()].find((entry) => entry.order === order) ?? this.#find(order.identity);
    if (own === undefined) return select;
    return async (signal) => {
      const devices = await select(signal);
      const peers = this.#peers(order);
      const isJoined = own.order !== order;
      const known = new Set(isJoined ? own.job.summary().devices.map(({ device }) => device) : []);
      const wanted = devices.filter(
        (device) => !known.has(device) && (lastAsked(peers, device)?.asked.get(device) ?? 0) <= request,
      );
      for (const device of wanted) own.asked.set(device, request);
      for (const [age, { job, order: other }] of peers.entries()) {
        if (job === own.job) continue;
        await job.handOver(wanted);
        if (order.forAll && other.forAll && age < peers.indexOf(own)) job.close();
      }
      return devices;
    };
  }

  /**
   * Resolves when no other job for the same firmware name does anything with a device: what runs is finished.
   *
   * @returns whether the device is to be left to another one, which was asked for it later, or takes in what appears
   */
  async finished(order: Order, device: string): Promise<boolean> {
    const peers = this.#peers(order);
    const taker = lastAsked(peers, device) ?? peers.findLast(({ job }) => job.claims(device));
    if (taker !== undefined && taker.order !== order) return true;
    await Promise.all(peers.filter((entry) => entry.order !== order).map(({ job }) => job.served(device)));
    return false;
  }

  #find(identity: string): Entry | undefined {
    return [...this.#entries.values()].find(({ job, order }) => order.identity === identity && !job.isEnded);
  }

  /** All that are for the same firmware name, from old to new. */
  #peers({ subject }: Order): Entry[] {
    return subject === undefined ? [] : [...this.#entries.values()].filter(({ order }) => order.subject === subject);
  }
}

function lastAsked(entries: readonly Entry[], device: string): Entry | undefined {
  const asked = entries.filter((entry) => entry.asked.has(device));
  return asked.sort((a, b) => (a.asked.get(device) ?? 0) - (b.asked.get(device) ?? 0)).at(-1);
}
