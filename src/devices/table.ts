/** The devices of a broker as a table of which only the changes are transferred. */
import { EventEmitter } from 'node:events';
import type { HomieBroker } from '../homie/broker';
import type { Attribute, Device, DeviceEvent, DeviceState } from '../homie/device';
import { isFinal, type Update } from '../update/update';
import { saysOf } from '../errors';
import { plainText } from '../plain-text';
import type { Value } from '../texts/text';
import type { Library } from '../library/library';
import type { Why } from '../update/why';
import type { DeviceUpdates } from './device-updates';
import type { DeviceJobUpdate } from './job-updates';
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
  /** The image on offer for the device, unless the device runs it. */
  readonly offer?: RowOffer;
  /** The last update or configuration change of the device. */
  readonly update?: RowUpdate;
  /** The user has excluded the device from updates. */
  readonly excluded?: true;
  /** The device accepts no firmware. */
  readonly otaOff?: true;
  /** There is an image to which the device can be rolled back. */
  readonly canRollBack?: true;
}

/** `newer_installed`: the device runs a higher version; `held`: the image is held back from it. */
interface RowOffer {
  readonly state: 'available' | 'newer_installed' | 'held';
  readonly version?: string;
  /** MD5. */
  readonly checksum: string;
}

/** An update or configuration change of a device in a job. */
interface RowUpdate {
  /** The id of the job. */
  readonly job: string;
  readonly change: 'firmware' | 'configuration';
  readonly state: Update['state'];
  readonly phase?: string;
  /** Percent, 0 to 100, until the update has ended. */
  readonly progress?: number;
  /** Seconds until the end of the transfer, if known. */
  readonly remaining?: number;
  /** The version that is being installed. */
  readonly version?: string;
  /** MD5. */
  readonly checksum?: string;
  readonly reason?: string;
  /** Why the device waits, or until when it is observed. */
  readonly why?: Why;
  /** What went wrong and what to do about it, as sentences. */
  readonly error?: readonly Value[];
  readonly mayRetry?: true;
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
  'otaEnabled',
  'otaStatus',
]);

/**
 * The table of the devices of a broker. Emits `changed` at most twice a second, from `start` to `close`, when a row, a
 * job or the library has changed. While there is no connection, the rows keep their last content, until the retained
 * messages have been received again.
 */
export class DeviceTable extends EventEmitter<{ changed: [] }> {
  readonly broker: HomieBroker;
  readonly #deviceUpdates: DeviceUpdates;
  readonly #rows = new Rows<TableRow>();
  readonly #dirty = new Set<string>();
  /** Whether jobs or the library have changed. */
  #haveOthersChanged = false;
  #library: Library | undefined;
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
    this.#deviceUpdates.on('changed', this.#hearJobs);
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
    this.#deviceUpdates.off('changed', this.#hearJobs);
    this.#library?.off('changed', this.#hearLibrary);
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

  readonly #hearJobs = (devices: readonly string[]): void => {
    this.#haveOthersChanged = true;
    for (const id of devices) this.#dirty.add(id);
  };

  /** @param key that of the only device that is concerned; otherwise a new offer may concern any device */
  readonly #hearLibrary = (key?: string): void => {
    this.#haveOthersChanged = true;
    if (key === undefined) return this.#settle();
    const id = this.#deviceUpdates.idOf(key);
    if (id !== undefined) this.#dirty.add(id);
  };

  readonly #settle = (): void => {
    for (const id of [...this.broker.registry.devices.keys(), ...this.#rows.ids]) this.#dirty.add(id);
  };

  /** Updates the table to what is known now. */
  #look(): void {
    this.#followLibrary();
    const haveRowsChanged = this.broker.isSettled && this.#updateRows();
    if (!haveRowsChanged && !this.#haveOthersChanged) return;
    this.#haveOthersChanged = false;
    this.emit('changed');
  }

  /** Returns whether a row has changed. */
  #updateRows(): boolean {
    if (this.#dirty.size === 0) return false;
    const updates = this.#deviceUpdates.lastUpdates(this.#dirty);
    const epoch = Date.now() - performance.now();
    const rows = [...this.#dirty].map((id) => {
      const device = this.broker.registry.get(id);
      return [id, device && this.#rowOf(device, updates.get(id), epoch)] as const;
    });
    this.#dirty.clear();
    return this.#rows.replace(rows);
  }

  /** A stored library may replace the one in memory. */
  #followLibrary(): void {
    const { library } = this.#deviceUpdates;
    if (library === this.#library) return;
    this.#library?.off('changed', this.#hearLibrary);
    this.#library = library.on('changed', this.#hearLibrary);
    this.#hearLibrary();
  }

  #rowOf(device: Device, last: DeviceJobUpdate | undefined, epoch: number): TableRow | undefined {
    const row = rowOf(device, epoch);
    const updates = this.#deviceUpdates;
    const offer = offerOf(updates.offerOf(device));
    return (
      row && {
        ...row,
        ...(offer && { offer }),
        ...(last && { update: rowUpdate(last) }),
        ...(updates.isExcluded(device.id) && { excluded: true }),
        ...(device.otaEnabled?.value === false && { otaOff: true }),
        ...(updates.canRollBack(device) && { canRollBack: true }),
      }
    );
  }
}

/** @param epoch the time at which `performance.now()` was 0, in ms since 1970 */
function rowOf(device: Device, epoch: number): TableRow | undefined {
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
  };
}

function offerOf(offer: ReturnType<DeviceUpdates['offerOf']>): RowOffer | undefined {
  if (offer === undefined || offer.state === 'up_to_date') return undefined;
  const { state, image } = offer;
  const { version, md5: checksum } = image;
  return { state: state === 'excluded' ? 'available' : state, ...(version !== undefined && { version }), checksum };
}

function rowUpdate({ update, job }: DeviceJobUpdate): RowUpdate {
  const { state, phase, progress, remaining, to, reason, error, device } = update;
  const why = job.whyOf(update);
  return {
    job: update.job,
    change: job.change,
    state,
    ...(phase !== undefined && { phase }),
    ...(!isFinal(state) && { progress: Math.floor(progress) }),
    ...(remaining !== undefined && { remaining }),
    ...(to?.version !== undefined && { version: to.version }),
    ...(to?.checksum !== undefined && { checksum: to.checksum }),
    ...(reason !== undefined && { reason }),
    ...(why !== undefined && { why }),
    ...(error !== undefined && { error: saysOf(error) }),
    ...(job.mayRetry(device) && { mayRetry: true }),
  };
}
