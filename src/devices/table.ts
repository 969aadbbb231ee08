/** The devices of a broker as a table that somebody looks at: only what has changed is told. */
import { EventEmitter } from 'node:events';
import type { HomieBroker } from '../homie/broker';
import type { Attribute, Device, DeviceEvent, DeviceState } from '../homie/device';
import { isFinal, type Update } from '../update/update';
import { saysOf } from '../errors';
import { plainText } from '../plain-text';
import type { Value } from '../texts/text';
import type { DeviceUpdate, DeviceUpdates } from './device-updates';
import { Rows, type RowChanges } from './rows';

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
export type TableChanges = RowChanges<TableRow>;

/** ms between two looks at what has changed. */
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
 * Emits `changed` at most twice a second, from `start` to `close`. While the broker is away, it shows what was: the states of
 * devices are known again when what is retained has been received.
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
   * What has changed since an earlier answer.
   *
   * @param cursor that of the earlier answer; the whole table comes where it is missing, or too old
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

  /** Takes all that is known into the table. */
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

  /** Marks the devices of which jobs have something new to tell. */
  #readUpdates(): void {
    const updates = this.#deviceUpdates.lastUpdates();
    for (const [id, update] of updates) if (!isSame(this.#updates.get(id), update)) this.#dirty.add(id);
    for (const id of this.#updates.keys()) if (!updates.has(id)) this.#dirty.add(id);
    this.#updates = updates;
    // What is given for its name concerns every device.
    if (this.#deviceUpdates.revision === this.#release) return;
    this.#release = this.#deviceUpdates.revision;
    this.#settle();
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
function updateOf(update: Update | undefined, offer: DeviceUpdate | undefined): RowUpdate | undefined {
  const available = availableOf(offer);
  if (update === undefined) return available;
  const { state, to } = update;
  const isOther = state === 'succeeded' || available?.version !== to?.version;
  return available !== undefined && endedWell.has(state) && isOther ? available : jobUpdate(update);
}

function availableOf(offer: DeviceUpdate | undefined): RowUpdate | undefined {
  if (offer?.state !== 'available') return undefined;
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
