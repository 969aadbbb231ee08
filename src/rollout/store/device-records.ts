import path from 'node:path';
import type { HomieError } from '../../errors';
import { DeviceLocks } from '../../homie/lock';
import { History } from './history';
import { Journal } from './journal';
import { readPending } from './pending-file';

/** The stored records of devices that outlive a job: their history, and their pending reboots. */
export class DeviceRecords {
  readonly history: History;
  readonly #folder: string;
  readonly #tell: (error: HomieError) => void;
  #remembered: Journal;
  #pending: { readonly journal: Journal; readonly end: () => void } | undefined;

  /**
   * Changes stay in memory until `read`.
   *
   * @param tell called once with an error for what cannot be read or written
   */
  constructor(folder: string, tell: (error: HomieError) => void) {
    this.#folder = folder;
    this.#tell = tell;
    this.#remembered = new Journal(this.#file('history.jsonl'), tell, () => false);
    this.history = new History((device, record) => this.#remembered.set(device, record));
  }

  /**
   * Reads the records of an earlier process, and stores changes from now on. Locks devices with a pending reboot.
   *
   * @returns the scopes (broker and base topic) of the devices with a history
   */
  async read(mayWrite: () => boolean): Promise<Set<string>> {
    const scopes = new Set<string>();
    const { journal } = await Journal.openLeniently(this.#file('history.jsonl'), this.#tell, mayWrite);
    this.#remembered = journal;
    for (const [device, record] of journal.entries()) {
      this.history.restore(device, record);
      scopes.add(device.slice(0, device.lastIndexOf('/') + 1));
    }
    const pending = await Journal.openLeniently(this.#file('pending.jsonl'), this.#tell, mayWrite);
    this.#pending?.end();
    const end = DeviceLocks.keep((device, what) => pending.journal.set(device, what), readPending(pending));
    this.#pending = { journal: pending.journal, end };
    return scopes;
  }

  /** Resolves when everything is on the disk, or could not be written. */
  async written(): Promise<void> {
    await Promise.all([this.#remembered.written(), this.#pending?.journal.written()]);
  }

  #file(name: string): string {
    return path.join(this.#folder, name);
  }
}
