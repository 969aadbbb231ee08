import { HomieError } from '../errors';
import { unlessAborted } from '../unless-aborted';
import type { Device, DeviceEvent } from './device';
import { departureOf, moment, reachedAtDeparture } from './elapsed';
import type { Guard, Hold, OpenEnd, PendingReboot, PendingWriter, Reader, Staged } from './lock-table';
import { enterHold, findHold, pruneHold, setPending, lockTable } from './lock-table';
import { restartShown } from './uptime';

/**
 * Which devices have a job, and which may still have to boot an image or a patch. The table is one for the process, since
 * two connections may lead to one device under two names of the broker. Two devices are the same if their `$mac` is the
 * same; where one is unknown, if base topic and id are the same. A lock too many only delays, one too few can ruin a device.
 * A device that claims the `$mac` of another one, which is still in its place, is not taken for that one: it could free it.
 */
export class DeviceLocks {
  /** What the history of the devices is kept under: host and base topic. */
  readonly scope: string;
  readonly #baseTopic: string;
  readonly #known: (id: string) => Device | undefined;
  readonly #reader: Reader;

  /**
   * @param url of the broker
   * @param baseTopic with its trailing slash
   * @param known what is known of a device
   */
  constructor(url: string, baseTopic: string, known: (id: string) => Device | undefined = () => undefined) {
    this.scope = `${brokerName(url)}/${baseTopic}`;
    this.#baseTopic = baseTopic;
    this.#known = known;
    this.#reader = (address) => (address.startsWith(baseTopic) ? known(address.slice(baseTopic.length)) : undefined);
    lockTable().readers.add(this.#reader);
  }

  /** Its devices are followed no longer. What is held stays. */
  close(): void {
    lockTable().readers.delete(this.#reader);
  }

  /**
   * Takes in what an earlier process has written down, and writes down what changes from now on.
   *
   * @returns ends the writing
   */
  static keep(write: PendingWriter, pending: Iterable<PendingReboot> = []): () => void {
    const { writers } = lockTable();
    writers.add(write);
    for (const each of pending) DeviceLocks.suspect(each);
    return () => {
      writers.delete(write);
    };
  }

  /**
   * Asks before anything is sent to any device.
   *
   * @returns ends that
   */
  static guard(guard: Guard): () => void {
    const { guards } = lockTable();
    guards.add(guard);
    return () => {
      guards.delete(guard);
    };
  }

  /** Why nothing must be sent to any device: another process does, for instance. */
  static get refusal(): HomieError | undefined {
    for (const guard of lockTable().guards) {
      const refusal = guard();
      if (refusal !== undefined) return refusal;
    }
    return undefined;
  }

  /** Locks a device that an earlier process has sent something, until it is shown to have restarted or its job goes on. */
  static suspect(pending: PendingReboot): void {
    const hold = findHold(pending.address, pending.mac) ?? enterHold(pending.address, pending.mac);
    if (hold.pending === undefined) void setPending(hold, pending);
  }

  /** Forgets all, as a process does when it ends. For tests. */
  static reset(): void {
    const { byAddress, byMac, readers, writers, guards, freed } = lockTable();
    for (const each of [byAddress, byMac, readers, writers, guards, freed]) each.clear();
  }

  /**
   * Gives the device to a job.
   *
   * @param what the job may leave the device to boot: a patch that may wait for its reboot does not keep another patch away
   * @throws {HomieError} DEVICE_BUSY when another job has it, REBOOT_PENDING when the device may still have to boot something
   */
  acquire(id: string, job: string, what: Staged = 'image'): void {
    const refusal = this.refusalOf(id, what, job);
    if (refusal !== undefined) throw refusal;
    this.#enter(id).job = job;
  }

  /**
   * Why a job would not get the device at this moment, as `acquire` says.
   *
   * @param job the one that asks; one that does not exist yet unless given
   * @returns DEVICE_BUSY, REBOOT_PENDING, or undefined when it would get it
   */
  refusalOf(id: string, what: Staged, job?: string): HomieError | undefined {
    const hold = this.#find(id);
    if (hold?.job !== undefined && hold.job !== job) return new HomieError('DEVICE_BUSY.device', { id });
    const staged = hold?.orphan === undefined ? hold?.pending?.what : 'image';
    const isFree = staged === undefined || (staged === 'patch' && what === 'patch');
    return isFree ? undefined : new HomieError(`REBOOT_PENDING.${staged}`, { id });
  }

  /**
   * Resolves when a job might get the device. To be asked again then: of several that wait, the first one gets it.
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
   * Gives the device to a job that goes on with what it had published before a restart: its reboot may be pending.
   *
   * @throws {HomieError} DEVICE_BUSY when another job has it
   */
  takeUp(id: string, job: string): void {
    const hold = this.#enter(id);
    if (hold.job !== undefined && hold.job !== job) throw new HomieError('DEVICE_BUSY.device', { id });
    hold.job = job;
  }

  /** Ends the hold of a job. A pending reboot stays. */
  release(id: string, job: string): void {
    // Another device may have connected under this id meanwhile.
    for (const hold of new Set([this.#find(id), ...(lockTable().byAddress.get(this.#baseTopic + id) ?? [])])) {
      if (hold?.job !== job) continue;
      delete hold.job;
      pruneHold(hold);
    }
  }

  /** Whether a job has the device, or it may have something to boot. */
  isHeld(id: string): boolean {
    return this.#find(id) !== undefined;
  }

  /** The job that has the device. */
  holder(id: string): string | undefined {
    return this.#find(id)?.job;
  }

  /** Whether a job was given the device at this address, also where another device has answered under the id since. */
  isGivenTo(id: string, job: string): boolean {
    return this.#held(id)?.job === job;
  }

  /**
   * Notes that the device may have something to boot from now on, until `rebooted` says that it has not, or the device shows
   * that it restarted. To be awaited before the bytes go.
   *
   * @returns resolves when it is written down
   */
  async expectReboot(id: string, what: Staged): Promise<void> {
    const hold = this.#held(id) ?? this.#enter(id);
    const { address, mac } = hold;
    hold.since = performance.now();
    const device = this.#known(id);
    await setPending(hold, {
      ...(device === undefined ? { at: moment() } : departureOf(device)),
      address,
      ...(mac !== undefined && { mac }),
      what,
      statistics: device?.uptime !== undefined,
    });
  }

  /**
   * Takes in how an exchange left the device: with nothing to boot, unless `open` says otherwise. A device that gave no sign
   * of a patch is free as soon as any statistics show that it is idle. Resolves when that is written down.
   */
  async left(id: string, open: OpenEnd | undefined): Promise<void> {
    if (open === undefined) return this.rebooted(id);
    const hold = this.#held(id);
    if (open === 'unheard' && hold?.pending?.what === 'patch')
      await setPending(hold, { ...hold.pending, unheard: true });
  }

  /** The device has nothing to boot. Resolves when that is written down. */
  async rebooted(id: string): Promise<void> {
    const hold = this.#held(id);
    if (hold?.pending !== undefined) await setPending(hold, undefined);
  }

  /**
   * Gives the device to nobody until a publish to it, which nobody watches any more, has come to its end: only a restart after
   * that shows that it has nothing to boot.
   */
  orphaned(id: string, publish: Promise<unknown>): void {
    const hold = this.#held(id) ?? this.#enter(id);
    const settled = async (): Promise<void> => {
      await Promise.allSettled([publish]);
      if (hold.orphan !== orphan) return;
      if (hold.pending !== undefined) await this.expectReboot(id, hold.pending.what);
      delete hold.orphan;
      pruneHold(hold);
    };
    const orphan = settled();
    hold.orphan = orphan;
  }

  /** Resolves when nothing that nobody watches is on its way to the device. */
  async unorphaned(id: string): Promise<void> {
    await this.#find(id)?.orphan;
  }

  /** What the device may have to boot. */
  pending(id: string): Staged | undefined {
    return this.#find(id)?.pending?.what;
  }

  isRebootPending(id: string): boolean {
    return this.pending(id) !== undefined;
  }

  /** Frees a device that no job has where a live event shows that it has nothing to boot any more. */
  observe(id: string, event: DeviceEvent): void {
    if (event.attribute !== 'uptime' && event.attribute !== 'state') return;
    if (!event.live) return;
    const hold = this.#find(id);
    if (hold?.pending === undefined || hold.job !== undefined || hold.orphan !== undefined) return;
    const { pending, since } = hold;
    if (event.at < since) return;
    const now = { moment: moment(), ms: performance.now() };
    const free =
      event.attribute === 'state'
        ? // Of a device that sends no uptime, nothing tells a restart from a mere reconnect.
          event.value === 'init' && !pending.statistics
        : pending.unheard === true ||
          restartShown(reachedAtDeparture(pending, now), { ...event, connectedAt: this.#known(id)?.connectedAt });
    if (free) void setPending(hold, undefined);
  }

  /** What a job has: also where another device has answered under the id since. */
  #held(id: string): Hold | undefined {
    const hold = this.#find(id);
    if (hold?.job !== undefined) return hold;
    const here = lockTable().byAddress.get(this.#baseTopic + id);
    return [...(here ?? [])].find(({ job }) => job !== undefined) ?? hold;
  }

  #find(id: string): Hold | undefined {
    return findHold(this.#baseTopic + id, this.#known(id)?.mac?.value);
  }

  #enter(id: string): Hold {
    return this.#find(id) ?? enterHold(this.#baseTopic + id, this.#known(id)?.mac?.value);
  }
}

function brokerName(url: string): string {
  const host = new URL(url).hostname.toLowerCase().replace(/\.$/, '');
  return host === 'localhost' || host === '[::1]' || /^127\.\d+\.\d+\.\d+$/.test(host) ? 'localhost' : host;
}
