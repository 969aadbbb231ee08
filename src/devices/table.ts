/** The devices of a broker as a table that somebody looks at: only what has changed is told. */
import { randomUUID } from 'node:crypto';
import { EventEmitter } from 'node:events';
import type { HomieBroker } from '../homie/broker';
import type { Attribute, Device, DeviceEvent, DeviceState } from '../homie/device';
import { isFinal, type Update } from '../update/update';
import { saysOf } from '../errors';
import { plainText } from '../plain-text';
import type { Value } from '../texts/text';
import { setNewest } from '../set-newest';
import type { DeviceUpdate, Releases } from './releases';

/** A device, with what is known of it. Whoever may publish on the broker may have written the texts. */
export interface TableRow {
  readonly id: string;
  readonly name?: string;
  readonly state: DeviceState;
  readonly firmware?: string;
  readonly version?: string;
  /** MD5 in lower case. */
  readonly checksum?: string;
  /** When its last live message came, in ms since 1970, to the second. */
  readonly seen?: number;
  readonly update?: RowUpdate;
}

/** What a device has to do with an update. `available`: a newer firmware of its name was given. */
interface RowUpdate {
  readonly state: Update['state'] | 'available';
  readonly phase?: string;
  /** 0 to 100, while it runs. */
  readonly progress?: number;
  /** Of the firmware that it gets, or could get. */
  readonly version?: string;
  readonly checksum?: string;
  readonly reason?: string;
  /** What went wrong, and what to do about it, as sentences. */
  readonly error?: readonly Value[];
  readonly proven?: true;
}

/** What has changed since a cursor; all there is where `full` is true. */
export interface TableChanges {
  readonly cursor: string;
  readonly full: boolean;
  readonly rows: readonly TableRow[];
  /** The ids of devices that are no more. */
  readonly gone: readonly string[];
}

/** ms between two looks at what has changed. */
const INTERVAL = 500;

/** More devices than these that are gone are not remembered: who has not looked since gets the whole table. */
const MAX_GONE = 1000;

const shown: ReadonlySet<Attribute> = new Set<Attribute>([
  'state',
  'name',
  'fwName',
  'fwVersion',
  'checksum',
  'uptime',
  'otaStatus',
]);

/**
 * Emits `changed` at most twice a second, from `start` to `close`. While the broker is away, it shows what was: the states of
 * devices are known again when what is retained has been received.
 */
export class DeviceTable extends EventEmitter<{ changed: [] }> {
  readonly broker: HomieBroker;
  readonly #releases: Releases;
  readonly #id = randomUUID();
  #revision = 0;
  readonly #rows = new Map<string, { readonly row: TableRow; readonly text: string; readonly revision: number }>();
  readonly #gone = new Map<string, number>();
  /** No device that went before this revision is remembered. */
  #forgotten = 0;
  readonly #dirty = new Set<string>();
  #updates: ReadonlyMap<string, Update> = new Map();
  #wasBusy = false;
  #release = -1;
  #looking: Promise<void> = Promise.resolve();
  #timer: NodeJS.Timeout | undefined;

  constructor(broker: HomieBroker, releases: Releases) {
    super();
    this.broker = broker;
    this.#releases = releases;
  }

  start(): void {
    const { registry } = this.broker;
    registry.on('event', this.#hear);
    registry.on('gone', this.#miss);
    registry.on('forgotten', this.#lose);
    this.broker.on('settled', this.#settle);
    this.#settle();
    this.#timer = setInterval(() => void this.#look(), INTERVAL);
    this.#timer.unref();
  }

  close(): void {
    const { registry } = this.broker;
    registry.off('event', this.#hear);
    registry.off('gone', this.#miss);
    registry.off('forgotten', this.#lose);
    this.broker.off('settled', this.#settle);
    clearInterval(this.#timer);
  }

  /**
   * What has changed since an earlier answer.
   *
   * @param cursor that of the earlier answer; the whole table comes where it is missing, or too old
   */
  async read(cursor: string | undefined): Promise<TableChanges> {
    await this.#look();
    const [id, text] = (cursor ?? '').split('.');
    const since = id === this.#id && /^\d{1,15}$/.test(text ?? '') ? Number(text) : -1;
    const full = since < this.#forgotten || since > this.#revision;
    return {
      cursor: `${this.#id}.${this.#revision}`,
      full,
      rows: [...this.#rows.values()].filter(({ revision }) => full || revision > since).map(({ row }) => row),
      gone: full ? [] : [...this.#gone].filter(([, revision]) => revision > since).map(([device]) => device),
    };
  }

  readonly #hear = (id: string, event: DeviceEvent): void => {
    if (event.attribute !== 'connection' && shown.has(event.attribute)) this.#dirty.add(id);
  };

  readonly #miss = ({ id }: Device): void => {
    this.#dirty.add(id);
  };

  readonly #lose = (id: string): void => {
    this.#dirty.add(id);
  };

  readonly #settle = (): void => {
    for (const id of [...this.broker.registry.devices.keys(), ...this.#rows.keys()]) this.#dirty.add(id);
  };

  /** One look at a time. Resolves when all that was known at the call is in the table. */
  #look(): Promise<void> {
    this.#looking = this.#looking.then(() => this.#take());
    return this.#looking;
  }

  async #take(): Promise<void> {
    const { isBusy, revision: release } = this.#releases;
    const isQuiet = this.#dirty.size === 0 && !isBusy && !this.#wasBusy && release === this.#release;
    if (!this.broker.isSettled || isQuiet) return;
    this.#wasBusy = isBusy;
    this.#readUpdates();
    const ids = [...this.#dirty];
    this.#dirty.clear();
    const { registry } = this.broker;
    const devices = ids.flatMap((id) => registry.get(id) ?? []);
    const releases = await this.#releases.updates(devices);
    if (!this.broker.isSettled) return this.#settle();
    const epoch = Date.now() - performance.now();
    const revision = this.#revision + 1;
    for (const id of ids) {
      const device = registry.get(id);
      const row = device && rowOf(device, updateOf(this.#updates.get(id), releases.get(id)), epoch);
      if (row === undefined ? this.#remove(id, revision) : this.#set(row, revision)) this.#revision = revision;
    }
    if (this.#revision === revision) this.emit('changed');
  }

  /** Marks the devices of which jobs have something new to tell. */
  #readUpdates(): void {
    const updates = this.#releases.lastUpdates();
    for (const [id, update] of updates) if (!isSame(this.#updates.get(id), update)) this.#dirty.add(id);
    for (const id of this.#updates.keys()) if (!updates.has(id)) this.#dirty.add(id);
    this.#updates = updates;
    // What is given for its name concerns every device.
    if (this.#releases.revision === this.#release) return;
    this.#release = this.#releases.revision;
    this.#settle();
  }

  #set(row: TableRow, revision: number): boolean {
    const text = JSON.stringify(row);
    if (this.#rows.get(row.id)?.text === text) return false;
    this.#rows.set(row.id, { row, text, revision });
    this.#gone.delete(row.id);
    return true;
  }

  #remove(id: string, revision: number): boolean {
    if (!this.#rows.delete(id)) return false;
    const [, forgotten] = setNewest(this.#gone, id, revision, MAX_GONE) ?? [];
    if (forgotten !== undefined) this.#forgotten = forgotten;
    return true;
  }
}

/** @param epoch when `performance.now()` was 0, in ms since 1970 */
function rowOf(device: Device, update: RowUpdate | undefined, epoch: number): TableRow | undefined {
  const { id, name, state, fwName, fwVersion, checksum, seenAt } = device;
  if (state === undefined) return undefined;
  return {
    id,
    ...(name && { name: plainText(name.value) }),
    state: state.value,
    ...(fwName && { firmware: plainText(fwName.value) }),
    ...(fwVersion && { version: plainText(fwVersion.value) }),
    ...(checksum && { checksum: checksum.value }),
    ...(seenAt !== undefined && { seen: Math.round((epoch + seenAt) / 1000) * 1000 }),
    ...(update && { update }),
  };
}

/** How a device may end without anything being wrong. */
const endedWell: ReadonlySet<Update['state']> = new Set<Update['state']>(['succeeded', 'skipped', 'canceled']);

/** The job that has a device tells more than what was given for its firmware, until it has ended well. */
function updateOf(update: Update | undefined, release: DeviceUpdate | undefined): RowUpdate | undefined {
  const available = availableOf(release);
  if (update === undefined) return available;
  const { state, to } = update;
  const isOther = state === 'succeeded' || available?.version !== to?.version;
  return available !== undefined && endedWell.has(state) && isOther ? available : jobUpdate(update);
}

function availableOf(release: DeviceUpdate | undefined): RowUpdate | undefined {
  if (release?.state !== 'available') return undefined;
  const { state, latest_version: version } = release;
  return { state, ...(version !== undefined && { version }) };
}

function jobUpdate({ state, phase, progress, to, reason, error, reboot }: Update): RowUpdate {
  return {
    state,
    ...(phase !== undefined && { phase }),
    ...(!isFinal(state) && { progress: Math.floor(progress) }),
    ...(to?.version !== undefined && { version: to.version }),
    ...(to?.checksum !== undefined && { checksum: to.checksum }),
    ...(reason !== undefined && { reason }),
    ...(error !== undefined && { error: saysOf(error) }),
    ...(state === 'succeeded' && reboot === 'proven' && { proven: true }),
  };
}

function isSame(a: Update | undefined, b: Update): boolean {
  return (
    a !== undefined &&
    a.job === b.job &&
    a.state === b.state &&
    a.phase === b.phase &&
    a.reason === b.reason &&
    Math.floor(a.progress) === Math.floor(b.progress) &&
    a.late === b.late
  );
}
