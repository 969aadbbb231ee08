/** Reports changes of the devices of a broker as events. */
import { EventEmitter } from 'node:events';
import type { HomieBroker } from '../homie/broker';
import { runningFirmware, type Device, type DeviceEvent, type DeviceState } from '../homie/device';
import type { Library } from '../library/library';
import type { FirmwareName, Update } from '../update/update';
import { tally } from '../tally';
import { inWords, updated, type DeviceChange } from './change';
import type { DeviceUpdates } from './device-updates';
import { NewUpdates } from './new-updates';

/** The number of devices, in total and in each state. */
export interface Stock {
  readonly count: number;
  readonly counts: Partial<Record<DeviceState, number>>;
}

/** The inventory once the retained messages have been received. */
export interface StockReport extends Stock {
  readonly event: 'inventory';
  /** The ids of the devices for which a newer image is on offer, sorted. */
  readonly updates: readonly string[];
  /** What has changed since the connection was lost; missing in the first report. */
  readonly changes?: readonly DeviceChange[];
  readonly text: string;
}

/** What was last reported about a device. */
interface Told {
  readonly state: DeviceState;
  readonly firmware: FirmwareName;
  readonly config: string | undefined;
}

/**
 * Emits an `event` for each change of a device, from `start` to `close`. Retained messages and a library that was read
 * from its file are not events: one report covers them, each time the broker settles and each time the library is read.
 */
export class Inventory extends EventEmitter<{ event: [DeviceChange | StockReport] }> {
  readonly #broker: HomieBroker;
  readonly #updates: DeviceUpdates;
  readonly #newUpdates: NewUpdates;
  readonly #told = new WeakMap<Device, Told>();
  /** Devices that went away after the connection was made, but before the report. */
  #gone: DeviceChange[] = [];
  #begun = false;
  #library: Library | undefined;
  #comparison: NodeJS.Immediate | undefined;

  constructor(broker: HomieBroker, updates: DeviceUpdates) {
    super();
    this.#broker = broker;
    this.#updates = updates;
    this.#newUpdates = new NewUpdates(updates);
  }

  start(): void {
    const { registry } = this.#broker;
    registry.on('event', this.#hear);
    registry.on('gone', this.#miss);
    this.#broker.on('settled', this.#report);
    this.#updates.on('succeeded', this.#succeed);
    this.#library = this.#updates.library;
    this.#library.on('restored', this.#restored);
    this.#library.on('changed', this.#compare);
    if (this.#broker.isSettled) this.#report();
  }

  close(): void {
    const { registry } = this.#broker;
    registry.off('event', this.#hear);
    registry.off('gone', this.#miss);
    this.#broker.off('settled', this.#report);
    this.#updates.off('succeeded', this.#succeed);
    this.#library?.off('restored', this.#restored);
    this.#library?.off('changed', this.#compare);
    clearImmediate(this.#comparison);
  }

  readonly #report = (): void => {
    const all = [...this.#broker.registry.devices.values()];
    const devices = this.#known();
    const newUpdates = devices.flatMap((each) => this.#newUpdates.take(each));
    const changes = [...this.#gone, ...all.flatMap((each) => this.#news(each)), ...newUpdates];
    this.#gone = [];
    const stock = takeStock(this.#broker);
    const updates = devices.filter((each) => this.#newUpdates.isAvailable(each)).map(({ id }) => id);
    const text = describeStock(stock, updates.length);
    this.emit('event', {
      event: 'inventory',
      ...stock,
      updates: updates.sort(),
      ...(this.#begun && { changes }),
      text,
    });
    this.#begun = true;
  };

  /** The updates in a library that was only read now are not new. */
  readonly #restored = (): void => {
    if (!this.#begun || !this.#broker.isSettled) return;
    for (const device of this.#known()) this.#newUpdates.take(device);
    this.#report();
  };

  /** Compares what is on offer with all devices, once for several changes of the library at a time. */
  readonly #compare = (): void => {
    this.#comparison ??= setImmediate(() => {
      this.#comparison = undefined;
      if (!this.#begun || !this.#broker.isSettled) return;
      for (const device of this.#known()) this.#tellUpdate(device);
    });
  };

  readonly #succeed = (update: Update): void => {
    const event = updated(update);
    if (event !== undefined) this.emit('event', event);
  };

  /**
   * Compares firmware and configuration only when the state changes: the device publishes them one by one between
   * `init` and `ready`.
   */
  readonly #hear = (id: string, event: DeviceEvent): void => {
    if (event.attribute !== 'state' || !this.#broker.isSettled) return;
    const device = this.#broker.registry.get(id);
    if (device === undefined) return;
    const isKnown = this.#told.has(device);
    if (event.live) {
      // A new device is reported only after `init`, when its firmware is known.
      if (!isKnown && event.value === 'init') return;
      for (const change of this.#news(device)) this.emit('event', change);
      this.#tellUpdate(device);
    } else if (!isKnown) {
      this.#news(device);
    }
  };

  readonly #miss = (device: Device): void => {
    this.#newUpdates.forget(device);
    for (const change of this.#news(device)) {
      if (this.#broker.isSettled) this.emit('event', change);
      else this.#gone.push(change);
    }
  };

  /** A device in `init` may still show the firmware from before its reboot. */
  #tellUpdate(device: Device): void {
    if (device.state?.value === 'init') return;
    for (const change of this.#newUpdates.take(device)) this.emit('event', change);
  }

  #known(): Device[] {
    return [...this.#broker.registry.devices.values()].filter(({ state }) => state !== undefined);
  }

  /** Returns the changes since the last report, and records them as reported. */
  #news(device: Device): DeviceChange[] {
    const told = this.#told.get(device);
    const state = device.state?.value;
    if (state === undefined) {
      return this.#told.delete(device) ? [inWords({ event: 'gone', device: device.id })] : [];
    }
    const firmware = { ...told?.firmware, ...runningFirmware(device) };
    const config = device.config?.value ?? told?.config;
    if (told === undefined) {
      this.#told.set(device, { state, firmware, config });
      return [inWords({ event: 'appeared', device: device.id, state, firmware })];
    }
    // Between `init` and `ready`, firmware and configuration are incomplete.
    const now = state === 'init' ? { ...told, state } : { state, firmware, config };
    this.#told.set(device, now);
    return differences(device.id, told, now);
  }
}

function differences(device: string, from: Told, to: Told): DeviceChange[] {
  return [
    ...(from.state === to.state ? [] : [inWords({ event: 'state', device, from: from.state, to: to.state })]),
    ...(isSame(from.firmware, to.firmware)
      ? []
      : [inWords({ event: 'firmware', device, from: from.firmware, to: to.firmware })]),
    ...(from.config === undefined || from.config === to.config ? [] : [inWords({ event: 'config', device })]),
  ];
}

/** Returns the number of devices whose state is known, in total and by state. */
export function takeStock({ registry }: HomieBroker): Stock {
  const states = [...registry.devices.values()].flatMap(({ state }) => state?.value ?? []);
  return { count: states.length, counts: tally(states) };
}

function describeStock({ count, counts }: Stock, updates: number): string {
  const states = Object.entries(counts).map(([state, number]) => `${number} ${state}`);
  const devices = [count === 1 ? '1 device' : `${count} devices`, ...(count > 0 ? [states.join(', ')] : [])].join(': ');
  if (updates === 0) return `${devices}.`;
  return `${devices}. ${updates === 1 ? '1 update is' : `${updates} updates are`} available.`;
}

/** Returns whether nothing has changed. A value that was unknown before does not count as changed. */
function isSame(before: FirmwareName, now: FirmwareName): boolean {
  return (['name', 'version', 'checksum'] as const).every(
    (each) => before[each] === undefined || before[each] === now[each],
  );
}
