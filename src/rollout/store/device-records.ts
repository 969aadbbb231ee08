import path from 'node:path';
import type { HomieError } from '../../errors';
import { moment } from '../../homie/elapsed';
import { DeviceLocks } from '../../homie/lock';
import { pendingOf, type PendingReboot, type PendingWriter } from '../../homie/lock-table';
import { Library } from '../../library/library';
import type { ImageFiles } from '../../library/image-files';
import { History } from './history';
import { Journal, type Reading } from './journal';
import { pendingAfter, pendingAt } from './version-1';

interface DeviceRecordsInput {
  /** Called once with an error for what cannot be read or written. */
  readonly tell: (error: HomieError) => void;
  /** The images of the library. */
  readonly firmware: ImageFiles;
}

/** The stored records that outlive a job: the firmware library, the history of devices, and their pending reboots. */
export class DeviceRecords {
  readonly history: History;
  readonly library: Library;
  readonly #folder: string;
  readonly #tell: (error: HomieError) => void;
  #remembered: Journal;
  #offered: Journal;
  #pending: { readonly journal: Journal; readonly end: () => void } | undefined;

  /** Changes stay in memory until `read`. */
  constructor(folder: string, { tell, firmware: files }: DeviceRecordsInput) {
    this.#folder = folder;
    this.#tell = tell;
    this.#remembered = new Journal(this.#file('history.jsonl'), tell, () => false);
    this.history = new History((device, record) => this.#remembered.set(device, record));
    this.#offered = new Journal(this.#file('library.jsonl'), tell, () => false);
    const write = async (key: string, value: unknown): Promise<HomieError | undefined> => {
      await this.#offered.set(key, value);
      return this.#offered.failure;
    };
    this.library = new Library({ files, tell, write });
  }

  /**
   * Reads the records of an earlier process, and stores changes from now on. Locks devices with a pending reboot.
   *
   * @returns the scopes (broker and base topic) of the devices with a history
   */
  async read(mayWrite: () => boolean): Promise<Set<string>> {
    const scopes = new Set<string>();
    const remembered = await Journal.openLeniently(this.#file('history.jsonl'), this.#tell, mayWrite);
    const { journal } = remembered;
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
    const old = remembered.isVersion1 === true ? this.#pendingInVersion1(remembered) : [];
    const write: PendingWriter = (device, what) => pending.journal.set(device, what);
    const end = DeviceLocks.keep(write, [...readPending(pending), ...old]);
    this.#pending = { journal: pending.journal, end };
    if (remembered.isVersion1 === true) await this.#leaveVersion1();
    return scopes;
  }

  /** Returns the pending reboots that the history of version 0.1.0 implies. A damaged line counts as one. */
  #pendingInVersion1({ journal, damage }: Reading): PendingReboot[] {
    const known = [...journal.entries()].flatMap(
      ([device]) => pendingAfter(device, this.history.lastResults(device)) ?? [],
    );
    return [...known, ...(damage?.keys ?? []).map((device) => pendingAt(device))];
  }

  /** Writes the history as one of this version, once the pending reboots are stored: they are not looked for again. */
  async #leaveVersion1(): Promise<void> {
    const { journal } = this.#pending ?? {};
    await journal?.written();
    if (journal?.failure === undefined) await this.#remembered.rewrite();
  }

  /** Resolves when everything is on the disk, or could not be written. */
  async written(): Promise<void> {
    await Promise.all([this.#remembered.written(), this.#offered.written(), this.#pending?.journal.written()]);
  }

  #file(name: string): string {
    return path.join(this.#folder, name);
  }
}

/** Returns the pending reboots in `pending.jsonl`. A damaged line counts as one, since it may stand for a staged image. */
function readPending({ journal, damage }: Reading): PendingReboot[] {
  const readable = [...journal.entries()].map(([key, value]) => (isPending(value) ? value : pendingOf(key, moment())));
  return [...readable, ...(damage?.keys ?? []).map((key) => pendingOf(key, moment()))];
}

function isPending(value: unknown): value is PendingReboot {
  const { address, mac, what, at, up, upAt, statistics, unheard }: Partial<Record<keyof PendingReboot, unknown>> =
    Object(value);
  return (
    typeof address === 'string' &&
    (mac === undefined || typeof mac === 'string') &&
    (what === 'image' || what === 'patch') &&
    typeof at === 'number' &&
    (up === undefined || typeof up === 'number') &&
    (upAt === undefined || typeof upAt === 'number') &&
    typeof statistics === 'boolean' &&
    (unheard === undefined || unheard === true)
  );
}
