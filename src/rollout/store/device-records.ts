import path from 'node:path';
import type { HomieError } from '../../errors';
import { DeviceLocks } from '../../homie/lock';
import { Library } from '../../library/library';
import type { ImageFiles } from '../../library/image-files';
import { History } from './history';
import { Journal } from './journal';
import { readPending } from './pending-file';

interface DeviceRecordsInput {
  /** Told, once, what cannot be read or written. */
  readonly tell: (error: HomieError) => void;
  /** The images of the library. */
  readonly firmware: ImageFiles;
}

/**
 * What is written down beyond a job: the firmware on offer, and of devices their history and whether they may have something
 * to boot.
 */
export class DeviceRecords {
  readonly history: History;
  readonly library: Library;
  readonly #folder: string;
  readonly #tell: (error: HomieError) => void;
  #remembered: Journal;
  #offered: Journal;
  #pending: { readonly journal: Journal; readonly end: () => void } | undefined;

  /** Until it is read, changes stay in memory. */
  constructor(folder: string, { tell, firmware: files }: DeviceRecordsInput) {
    this.#folder = folder;
    this.#tell = tell;
    this.#remembered = new Journal(this.#file('history.jsonl'), tell, () => false);
    this.history = new History((device, record) => this.#remembered.set(device, record));
    this.#offered = new Journal(this.#file('library.jsonl'), tell, () => false);
    this.library = new Library({ files, tell, write: (key, value) => this.#offered.set(key, value) });
  }

  /**
   * Reads what an earlier process has written down, and writes down what changes from now on. Devices that may have something
   * to boot are locked.
   *
   * @returns what the ids of the devices with a history are unique in
   */
  async read(mayWrite: () => boolean): Promise<Set<string>> {
    const scopes = new Set<string>();
    const { journal } = await Journal.openLeniently(this.#file('history.jsonl'), this.#tell, mayWrite);
    this.#remembered = journal;
    for (const [device, record] of journal.entries()) {
      this.history.restore(device, record);
      scopes.add(device.slice(0, device.lastIndexOf('/') + 1));
    }
    const offered = await Journal.openLeniently(this.#file('library.jsonl'), this.#tell, mayWrite);
    this.#offered = offered.journal;
    this.library.restore(offered.journal.entries());
    const pending = await Journal.openLeniently(this.#file('pending.jsonl'), this.#tell, mayWrite);
    this.#pending?.end();
    const end = DeviceLocks.keep((device, what) => pending.journal.set(device, what), readPending(pending));
    this.#pending = { journal: pending.journal, end };
    return scopes;
  }

  /** Resolves when all is on the disk, or could not be written. */
  async written(): Promise<void> {
    await Promise.all([this.#remembered.written(), this.#offered.written(), this.#pending?.journal.written()]);
  }

  #file(name: string): string {
    return path.join(this.#folder, name);
  }
}
