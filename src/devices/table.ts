/** The devices of a broker as a table of which only the changes are transferred. */
import { EventEmitter } from 'node:events';
import type { HomieBroker } from '../homie/broker';
import type { Attribute, Device, DeviceEvent, DeviceState } from '../homie/device';
import { isFinal, type Update } from '../update/update';
import { saysOf } from '../errors';
import { plainText } from '../plain-text';
import type { Why } from '../update/why';
import type { Value } from '../texts/text';
import type { DeviceUpdate, DeviceUpdates } from './device-updates';
import { Rows, type RowChanges } from './rows';

/** A device in the table. Its texts are untrusted: anyone who may publish on the broker may have written them. */
export interface TableRow {
  readonly id: string;
  readonly name?: string;
  readonly state: DeviceState;
  readonly firmware?: string;
  readonly version?: string;
  /** MD5 in lower case. */
  readonly checksum?: string;
  /** When the last live message came, in ms since 1970, rounded to the second. */
  readonly seen?: number;
  readonly update?: RowUpdate;
  readonly offer?: { readonly state: 'available' | 'newer_installed' | 'held'; readonly version?: string; readonly checksum: string };
  readonly excluded?: true;
  readonly otaOff?: true;
  readonly canRollBack?: true;
}

/** The update of a device: that of a job, or what is on offer for the device unless it runs that. */
interface RowUpdate {
  readonly job?: string;
  readonly change?: 'firmware' | 'configuration';
  readonly remaining?: number;
  readonly why?: Why;
  readonly mayRetry?: true;
  readonly state: Update['state'] | 'available' | 'newer_installed' | 'held';
  readonly phase?: string;
  /** Percent, 0 to 100, until the update has ended. */
  readonly progress?: number;
  /** The version that is being installed, or that is on offer. */
  readonly version?: string;
  readonly checksum?: string;
  readonly reason?: string;
  /** What went wrong and what to do about it, as sentences. */
  readonly error?: readonly Value[];
  readonly proven?: true;
}

/** The changes since a cursor, or the whole table where `full` is true. */
export type TableChanges = RowChanges<TableRow>;

/** ms between two checks for changes. */
const INTERVAL = 500;

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
 * The table of the devices of a broker. Emits `changed` at most twice a second, from `start` to `close`. While there is
 * no connection, the table keeps its last content, until the retained messages have been received again.
 */
export class DeviceTable extends EventEmitter<{ changed: [] }> {
  readonly broker: HomieBroker;
  readonly #deviceUpdates: DeviceUpdates;
  readonly #rows = new Rows<TableRow>();
  readonly #dirty = new Set<string>();
  #updates: ReadonlyMap<string, Update> = new Map();
  #wasBusy = false;
  #release = -1;
  #timer: NodeJS.Timeout | undefined;

  constructor(broker: HomieBroker, updates: DeviceUpdates) {
    super();
    this.broker = broker;
    this.#deviceUpdates = updates;
  }

  start(): void {
    const { registry } = this.broker;
    registry.on('event', this.#hear);
    registry.on('gone', this.#miss);
    registry.on('forgotten', this.#lose);
    this.broker.on('settled', this.#settle);
    this.#settle();
    this.#timer = setInterval(() => this.#look(), INTERVAL);
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
   * Returns what has changed since an earlier answer.
   *
   * @param cursor the cursor of that answer; if it is missing, unknown or too old, the whole table is returned
   */
  read(cursor: string | undefined): TableChanges {
    this.#look();
    return this.#rows.since(cursor);
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
    for (const id of [...this.broker.registry.devices.keys(), ...this.#rows.ids]) this.#dirty.add(id);
  };

  /** Updates the table to what is known now. */
  #look(): void {
    const { isBusy, revision: release } = this.#deviceUpdates;
    const isQuiet = this.#dirty.size === 0 && !isBusy && !this.#wasBusy && release === this.#release;
    if (!this.broker.isSettled || isQuiet) return;
    this.#wasBusy = isBusy;
    this.#readUpdates();
    const ids = [...this.#dirty];
    this.#dirty.clear();
    const { registry } = this.broker;
    const devices = ids.flatMap((id) => registry.get(id) ?? []);
    const offers = this.#deviceUpdates.of(devices);
    const epoch = Date.now() - performance.now();
    const rows = ids.map((id) => {
      const device = registry.get(id);
      const row = device && rowOf(device, updateOf(this.#updates.get(id), offers.get(id)), epoch);
      return [id, row] as const;
    });
    if (this.#rows.replace(rows)) this.emit('changed');
  }

  /** Marks the devices whose updates in jobs have changed. */
  #readUpdates(): void {
    const updates = this.#deviceUpdates.lastUpdates();
    for (const [id, update] of updates) if (!isSame(this.#updates.get(id), update)) this.#dirty.add(id);
    for (const id of this.#updates.keys()) if (!updates.has(id)) this.#dirty.add(id);
    this.#updates = updates;
    // A new offer may concern any device.
    if (this.#deviceUpdates.revision === this.#release) return;
    this.#release = this.#deviceUpdates.revision;
    this.#settle();
  }
}

/** @param epoch the time at which `performance.now()` was 0, in ms since 1970 */
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

/** Final states after which the image on offer is shown again. */
const endedWell: ReadonlySet<Update['state']> = new Set<Update['state']>(['succeeded', 'skipped', 'canceled']);

/**
 * Returns the update of the last job. An image on offer replaces it once it has succeeded, or, if the versions differ,
 * also once it was skipped or canceled.
 */
function updateOf(update: Update | undefined, offer: DeviceUpdate | undefined): RowUpdate | undefined {
  const offered = offerUpdate(offer);
  if (update === undefined) return offered;
  const { state, to } = update;
  const isOther = state === 'succeeded' || offered?.version !== to?.version;
  return offered !== undefined && endedWell.has(state) && isOther ? offered : jobUpdate(update);
}

function offerUpdate(offer: DeviceUpdate | undefined): RowUpdate | undefined {
  if (offer?.state !== 'available' && offer?.state !== 'newer_installed' && offer?.state !== 'held') return undefined;
  const { state, offered: version } = offer;
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
