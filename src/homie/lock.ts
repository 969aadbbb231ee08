import { HomieError } from '../errors';
import { unlessAborted } from '../unless-aborted';
import type { Device, DeviceEvent } from './device';
import { departureOf, elapsedSince, moment } from './elapsed';
import {
  enterEntry,
  findEntry,
  lockTable,
  pruneEntry,
  scopeOf,
  setPending,
  showsIdle,
  type Guard,
  type LockEntry,
  type OpenEnd,
  type PendingReboot,
  type PendingWriter,
  type Reader,
  type Staged,
} from './lock-table';

/**
 * Tracks which devices have a job, and which may still have to boot an image or a patch. There is one table per
 * process, since two connections may lead to the same device under two names of the broker. Two devices are the same if
 * their `$mac` is the same or, if one of these is unknown, if base topic and id are the same. A lock too many only
 * causes a delay, but a lock too few can ruin a device. A device may claim the `$mac` of another one. While the other
 * one is still at its address, the two count as different devices, because otherwise the claimant could free the other
 * one.
 */
export class DeviceLocks {
  /** The scope under which everything that outlives a job is kept: see `scopeOf`. */
  readonly scope: string;
  readonly #baseTopic: string;
  readonly #known: (id: string) => Device | undefined;
  readonly #reader: Reader;

  /**
   * @param url of the broker
   * @param baseTopic with its trailing slash
   * @param known returns what is known of a device
   */
  constructor(url: string, baseTopic: string, known: (id: string) => Device | undefined = () => undefined) {
    this.scope = scopeOf(url, baseTopic);
    this.#baseTopic = baseTopic;
    this.#known = known;
    this.#reader = (address) => (address.startsWith(baseTopic) ? known(address.slice(baseTopic.length)) : undefined);
    lockTable().readers.add(this.#reader);
  }

  /** Returns the key of a device in everything that outlives a job. */
  keyOf(id: string): string {
    return `${this.scope}${id}`;
  }

  /** Stops following the devices of this broker. Locks remain. */
  close(): void {
    lockTable().readers.delete(this.#reader);
  }

  /** Restores what an earlier process stored, and stores every change until the returned function is called. */
  static keep(write: PendingWriter, pending: Iterable<PendingReboot> = []): () => void {
    const { writers } = lockTable();
    writers.add(write);
    for (const each of pending) DeviceLocks.suspect(each);
    return () => void writers.delete(write);
  }

  /** Adds a check that runs before anything is sent to any device, until the returned function is called. */
  static guard(guard: Guard): () => void {
    const { guards } = lockTable();
    guards.add(guard);
    return () => void guards.delete(guard);
  }

  /**
   * Why nothing must be sent to any device; for example, because another process does so. Undefined if sending is
   * allowed.
   */
  static get refusal(): HomieError | undefined {
    for (const guard of lockTable().guards) {
      const refusal = guard();
      if (refusal !== undefined) return refusal;
    }
    return undefined;
  }

  /**
   * Locks a device to which an earlier process has sent something, until the device is shown to have restarted or its
   * job continues. If several records say that, the last one counts: an older one may have been about to be removed.
   */
  static suspect(pending: PendingReboot): void {
    const entry = findEntry(pending.address, pending.mac) ?? enterEntry(pending.address, pending.mac);
    const age = ({ at }: PendingReboot): number => elapsedSince(at, moment());
    if (entry.pending !== undefined && age(entry.pending) <= age(pending)) return;
    void setPending(entry, { ...pending, ...(entry.mac !== undefined && { mac: entry.mac }) });
  }

  /**
   * Gives the device to a job.
   *
   * @param what the job may leave for the device to boot; a patch that waits for its reboot does not block another
   *   patch
   * @throws {HomieError} DEVICE_BUSY: another job has the device; REBOOT_PENDING: the device may still have to boot
   *   something
   */
  acquire(id: string, job: string, what: Staged = 'image'): void {
    const refusal = this.refusalOf(id, what, job);
    if (refusal !== undefined) throw refusal;
    this.#enter(id).job = job;
  }

  /**
   * Gives the address to a job as `acquire` does.
   *
   * @returns a function that releases what was acquired here, and nothing that the job had before or gets elsewhere
   */
  reserve(id: string, job: string): () => void {
    const hadIt = this.holder(id) === job;
    this.acquire(id, job);
    if (hadIt) return () => undefined;
    const entry = this.#enter(id);
    return () => {
      if (entry.job !== job) return;
      delete entry.job;
      pruneEntry(entry);
    };
  }

  /**
   * Returns why a job would not get the device now, by the rules of `acquire`.
   *
   * @param job the job that asks; left out for a job that does not exist yet
   * @returns DEVICE_BUSY or REBOOT_PENDING; undefined if the job would get the device
   */
  refusalOf(id: string, what: Staged, job?: string): HomieError | undefined {
    const entry = this.#find(id);
    if (entry?.job !== undefined && entry.job !== job) return new HomieError('DEVICE_BUSY.device', { id });
    const staged = entry?.orphan === undefined ? entry?.pending?.what : 'image';
    const isFree = staged === undefined || (staged === 'patch' && what === 'patch');
    return isFree ? undefined : new HomieError(`REBOOT_PENDING.${staged}`, { id });
  }

  /**
   * Waits until a job might get the device. The caller must then call `acquire`: if several jobs wait, the first to
   * call gets the device.
   *
   * @param signal rejects with its reason
   */
  async untilFree(id: string, what: Staged, job: string, signal: AbortSignal): Promise<void> {
    const { freed } = lockTable();
    while (this.refusalOf(id, what, job) !== undefined) {
      let wake = (): void => undefined;
      const change = new Promise<void>((resolve) => freed.add((wake = resolve)));
      await unlessAborted(signal, change);
      freed.delete(wake);
      signal.throwIfAborted();
    }
  }

  /**
   * Gives the device to a job that continues what it published before a restart. A reboot may be pending.
   *
   * @throws {HomieError} DEVICE_BUSY: another job has the device
   */
  takeUp(id: string, job: string): void {
    const entry = this.#enter(id);
    if (entry.job !== undefined && entry.job !== job) throw new HomieError('DEVICE_BUSY.device', { id });
    entry.job = job;
  }

  /** Ends the lock of a job. A pending reboot remains. */
  release(id: string, job: string): void {
    // Another device may have connected under this id since.
    for (const entry of new Set([this.#find(id), ...(lockTable().byAddress.get(this.#baseTopic + id) ?? [])])) {
      if (entry?.job !== job) continue;
      delete entry.job;
      pruneEntry(entry);
    }
  }

  /** Returns whether a job has the device, or the device may have something to boot. */
  isHeld(id: string): boolean {
    return this.#find(id) !== undefined;
  }

  /** Returns the job that has the device. */
  holder(id: string): string | undefined {
    return this.#find(id)?.job;
  }

  /**
   * Returns whether a job was given the device at this address, even if another device has answered under the id since.
   */
  isGivenTo(id: string, job: string): boolean {
    return this.#held(id)?.job === job;
  }

  /**
   * Notes that the device may have something to boot from now on, until `rebooted` denies that or the device shows that
   * it has restarted. Await this before any bytes are sent.
   *
   * @returns resolves when this is stored
   */
  async expectReboot(id: string, what: Staged): Promise<void> {
    const entry = this.#held(id) ?? this.#enter(id);
    const { address, mac } = entry;
    entry.since = performance.now();
    const device = this.#known(id);
    await setPending(entry, {
      ...(device === undefined ? { at: moment() } : departureOf(device)),
      address,
      ...(mac !== undefined && { mac }),
      what,
      statistics: device?.uptime !== undefined,
    });
  }

  /**
   * Notes how an exchange left the device: without anything to boot, unless `open` says otherwise. If the device gave
   * no sign of a patch, any later statistics show that it is idle, and free it. Resolves when this is stored.
   */
  async left(id: string, open: OpenEnd | undefined): Promise<void> {
    if (open === undefined) return this.rebooted(id);
    const entry = this.#held(id);
    if (open === 'unheard' && entry?.pending?.what === 'patch')
      await setPending(entry, { ...entry.pending, unheard: true });
  }

  /** Notes that the device has nothing to boot. Resolves when this is stored. */
  async rebooted(id: string): Promise<void> {
    const entry = this.#held(id);
    if (entry?.pending !== undefined) await setPending(entry, undefined);
  }

  /** Notes that the device has nothing to boot, unless a job has it by now, with something of its own to boot. */
  async rebootedLate(id: string): Promise<void> {
    const entry = this.#find(id);
    if (entry?.pending !== undefined && entry.job === undefined) await setPending(entry, undefined);
  }

  /**
   * Gives the device to nobody until an unwatched publish to it has ended: only a restart after that shows that the
   * device has nothing to boot.
   */
  orphaned(id: string, publish: Promise<unknown>): void {
    const entry = this.#held(id) ?? this.#enter(id);
    const settled = async (): Promise<void> => {
      await Promise.allSettled([publish]);
      if (entry.orphan !== orphan) return;
      if (entry.pending !== undefined) await this.expectReboot(id, entry.pending.what);
      delete entry.orphan;
      pruneEntry(entry);
    };
    const orphan = settled();
    entry.orphan = orphan;
  }

  /** Resolves when no unwatched publish to the device is in progress. */
  async unorphaned(id: string): Promise<void> {
    await this.#find(id)?.orphan;
  }

  /** Returns what the device may have to boot. */
  pending(id: string): Staged | undefined {
    return this.#find(id)?.pending?.what;
  }

  isRebootPending(id: string): boolean {
    return this.pending(id) !== undefined;
  }

  /**
   * Frees a device without a job if a live event shows that it has nothing to boot any more. Returns whether the event
   * is live and the device may have had something to boot.
   */
  observe(id: string, event: DeviceEvent): boolean {
    if (event.attribute === 'connection' || !event.live) return false;
    const entry = this.#find(id);
    if (entry?.pending === undefined) return false;
    // Another connection to the broker may deliver late what the device has said before.
    const isNow = entry.job === undefined && entry.orphan === undefined && (event.from ?? event.at) >= entry.since;
    if (isNow && showsIdle(entry.pending, event, this.#known(id))) void setPending(entry, undefined);
    return true;
  }

  /** Returns the entry of a job, even if another device has answered under the id since. */
  #held(id: string): LockEntry | undefined {
    const entry = this.#find(id);
    if (entry?.job !== undefined) return entry;
    return [...(lockTable().byAddress.get(this.#baseTopic + id) ?? [])].find(({ job }) => job !== undefined) ?? entry;
  }

  #find(id: string): LockEntry | undefined {
    return findEntry(this.#baseTopic + id, this.#known(id)?.mac?.value);
  }

  #enter(id: string): LockEntry {
    return this.#find(id) ?? enterEntry(this.#baseTopic + id, this.#known(id)?.mac?.value);
  }
}
