import { HomieError } from '../errors';
import type { DeviceEvent } from './device';

/** What is held of one device. */
interface Hold {
  job?: string;
  pending?: { readonly end: OpenEnd; readonly since: number };
  /** It sends its uptime, which will tell of a reboot. */
  statistics?: boolean;
  /** A publish that is still on its way to the broker, and that nobody watches any more. */
  orphan?: Promise<void>;
}

/**
 * What is known of the end of an exchange, and so what frees the device:
 *
 * - `flashed`: it has an image to boot. Free when its uptime shows the reboot; when it sends none, with the next connect
 * - `unknown`: free with the next connect, or when its uptime shows a reboot
 * - `unheard`: it gave no sign, seen all the time. Free as soon as any statistics show that it is idle, too
 */
export type OpenEnd = 'flashed' | 'unknown' | 'unheard';

/** One table for the whole process, also where this package is loaded more than once. */
const key = Symbol.for('@homie-ota/node-red-homie-ota/locks/1');

function table(): Map<string, Hold> {
  const known: unknown = Reflect.get(globalThis, key);
  if (known instanceof Map) return known;
  const made = new Map<string, Hold>();
  Reflect.set(globalThis, key, made);
  return made;
}

/**
 * Which devices of a broker have a job, and which may still have to boot an image. The table is one for the process:
 * it holds across all connections that mean the same broker and base topic.
 */
export class DeviceLocks {
  /** What the ids of the devices are unique in: host and base topic. */
  readonly scope: string;

  /**
   * @param url of the broker. Its port does not count, since one broker often has several listeners: a lock too many only
   * delays, one too few can ruin a device
   * @param baseTopic with its trailing slash
   */
  constructor(url: string, baseTopic: string) {
    this.scope = `${brokerName(url)}/${baseTopic}`;
  }

  /**
   * Gives the device to a job.
   *
   * @throws {HomieError} DEVICE_BUSY when another job has it, REBOOT_PENDING when an earlier image may still be booted
   */
  acquire(id: string, job: string): void {
    const hold = this.#hold(id);
    if (hold?.job !== undefined && hold.job !== job) {
      throw busy(id);
    }
    if (hold?.pending !== undefined || hold?.orphan !== undefined) {
      throw new HomieError('REBOOT_PENDING', `An earlier update of ${id} may still have to be booted.`);
    }
    table().set(this.scope + id, { job });
  }

  /**
   * Locks a device to which an earlier process has sent something, until it connects anew or its job goes on.
   *
   * @param device scope and id
   * @param since ms of `performance.now()`
   */
  static suspect(device: string, since: number): void {
    if (!table().has(device)) table().set(device, { pending: { end: 'unknown', since } });
  }

  /**
   * Gives the device to a job that goes on with what it had published before a restart: its reboot may be pending.
   *
   * @throws {HomieError} DEVICE_BUSY when another job has it
   */
  takeUp(id: string, job: string): void {
    const { job: holder, ...rest } = this.#hold(id) ?? {};
    if (holder !== undefined && holder !== job) throw busy(id);
    table().set(this.scope + id, { ...rest, job });
  }

  /** Ends the hold of a job. A pending reboot stays. */
  release(id: string, job: string): void {
    const hold = this.#hold(id);
    if (hold?.job !== job) return;
    delete hold.job;
    this.#keep(id, hold);
  }

  /** The job that has the device. */
  holder(id: string): string | undefined {
    return this.#hold(id)?.job;
  }

  /**
   * Keeps the device locked beyond the job, until it is free by what `OpenEnd` says.
   *
   * @param since ms of `performance.now()`: when what is pending was published
   * @param statistics whether the device is known to send its uptime
   */
  rebootPending(id: string, end: OpenEnd, since: number, statistics: boolean): void {
    this.#keep(id, { ...this.#hold(id), pending: { end, since }, statistics });
  }

  /** Frees the device: its reboot was seen in another place. */
  rebooted(id: string): void {
    const hold = { ...this.#hold(id) };
    delete hold.pending;
    delete hold.statistics;
    this.#keep(id, hold);
  }

  /**
   * Gives the device to nobody until a publish to it, which nobody watches any more, has come to its end. Then it may have
   * what was published, and stays locked as it does after an end that is `unknown`.
   *
   * @param statistics whether the device is known to send its uptime
   */
  orphaned(id: string, publish: Promise<unknown>, statistics: boolean): void {
    const settled = async (): Promise<void> => {
      await Promise.allSettled([publish]);
      const hold = { ...this.#hold(id) };
      if (hold.orphan === orphan) delete hold.orphan;
      this.#keep(id, hold);
      this.rebootPending(id, 'unknown', performance.now(), statistics);
    };
    const orphan = settled();
    this.#keep(id, { ...this.#hold(id), orphan });
  }

  /** Resolves when nothing that nobody watches is on its way to the device. */
  async unorphaned(id: string): Promise<void> {
    await this.#hold(id)?.orphan;
  }

  isRebootPending(id: string): boolean {
    return this.#hold(id)?.pending !== undefined;
  }

  /** Frees the device where a live event shows that no reboot is pending any more. */
  observe(id: string, event: DeviceEvent): void {
    if (event.attribute === 'connection' || !event.live) return;
    if (event.attribute !== 'uptime' && event.attribute !== 'state') return;
    const hold = this.#hold(id);
    if (hold?.pending === undefined) return;
    const { end, since } = hold.pending;
    if (event.at < since) return;
    const free =
      event.attribute === 'state'
        ? event.value === 'init' && (end !== 'flashed' || hold.statistics !== true)
        : end === 'unheard' || event.value * 1000 < event.at - since;
    if (free) this.rebooted(id);
  }

  #hold(id: string): Hold | undefined {
    return table().get(this.scope + id);
  }

  #keep(id: string, hold: Hold): void {
    const { job, pending, orphan } = hold;
    if (job === undefined && pending === undefined && orphan === undefined) table().delete(this.scope + id);
    else table().set(this.scope + id, hold);
  }
}

function busy(id: string): HomieError {
  return new HomieError('DEVICE_BUSY', `${id} has a job already, and one device takes one job at a time.`);
}

function brokerName(url: string): string {
  const host = new URL(url).hostname.toLowerCase().replace(/\.$/, '');
  return host === 'localhost' || host === '[::1]' || /^127\.\d+\.\d+\.\d+$/.test(host) ? 'localhost' : host;
}
