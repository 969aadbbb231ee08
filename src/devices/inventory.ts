/** Reports changes of the devices of a broker as events. */
import { EventEmitter } from 'node:events';
import type { HomieBroker } from '../homie/broker';
import { runningFirmware, type Device, type DeviceEvent, type DeviceState } from '../homie/device';
import type { FirmwareName } from '../update/update';

/**
 * A change of one device. `gone`: the broker no longer has a state of the device. `config` does not contain the
 * configuration.
 */
export type DeviceChange = { readonly device: string } & (
  | { readonly event: 'appeared'; readonly state: DeviceState; readonly firmware: FirmwareName }
  | { readonly event: 'state'; readonly from: DeviceState; readonly to: DeviceState }
  | { readonly event: 'firmware'; readonly from: FirmwareName; readonly to: FirmwareName }
  | { readonly event: 'config' }
  | { readonly event: 'gone' }
);

/** The number of devices, in total and in each state. */
export interface Stock {
  readonly count: number;
  readonly counts: Partial<Record<DeviceState, number>>;
}

/** The inventory once the retained messages have been received. */
export interface StockReport extends Stock {
  readonly event: 'inventory';
  /** What has changed since the connection was lost; missing in the first report. */
  readonly changes?: readonly DeviceChange[];
}

/** What was last reported about a device. */
interface Told {
  readonly state: DeviceState;
  readonly firmware: FirmwareName;
  readonly config: string | undefined;
}

/**
 * Emits an `event` for each change of a device, from `start` to `close`. Retained messages are not events: each time
 * the broker settles, one report covers them.
 */
export class Inventory extends EventEmitter<{ event: [DeviceChange | StockReport] }> {
  readonly #broker: HomieBroker;
  readonly #told = new WeakMap<Device, Told>();
  /** Devices that went away after the connection was made, but before the report. */
  #gone: DeviceChange[] = [];
  #begun = false;

  constructor(broker: HomieBroker) {
    super();
    this.#broker = broker;
  }

  start(): void {
    const { registry } = this.#broker;
    registry.on('event', this.#hear);
    registry.on('gone', this.#miss);
    this.#broker.on('settled', this.#report);
    if (this.#broker.isSettled) this.#report();
  }

  close(): void {
    const { registry } = this.#broker;
    registry.off('event', this.#hear);
    registry.off('gone', this.#miss);
    this.#broker.off('settled', this.#report);
  }

  readonly #report = (): void => {
    const changes = [...this.#gone, ...[...this.#broker.registry.devices.values()].flatMap((each) => this.#news(each))];
    this.#gone = [];
    this.emit('event', { event: 'inventory', ...takeStock(this.#broker), ...(this.#begun && { changes }) });
    this.#begun = true;
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
      if (isKnown || event.value !== 'init') for (const change of this.#news(device)) this.emit('event', change);
    } else if (!isKnown) {
      this.#news(device);
    }
  };

  readonly #miss = (device: Device): void => {
    for (const change of this.#news(device)) {
      if (this.#broker.isSettled) this.emit('event', change);
      else this.#gone.push(change);
    }
  };

  /** Returns the changes since the last report, and records them as reported. */
  #news(device: Device): DeviceChange[] {
    const told = this.#told.get(device);
    const state = device.state?.value;
    if (state === undefined) {
      return this.#told.delete(device) ? [{ event: 'gone', device: device.id }] : [];
    }
    const firmware = { ...told?.firmware, ...runningFirmware(device) };
    const config = device.config?.value ?? told?.config;
    if (told === undefined) {
      this.#told.set(device, { state, firmware, config });
      return [{ event: 'appeared', device: device.id, state, firmware }];
    }
    // Between `init` and `ready`, firmware and configuration are incomplete.
    const now = state === 'init' ? { ...told, state } : { state, firmware, config };
    this.#told.set(device, now);
    return differences(device.id, told, now);
  }
}

function differences(device: string, from: Told, to: Told): DeviceChange[] {
  return [
    ...(from.state === to.state ? [] : [{ event: 'state', device, from: from.state, to: to.state } as const]),
    ...(isSame(from.firmware, to.firmware)
      ? []
      : [{ event: 'firmware', device, from: from.firmware, to: to.firmware } as const]),
    ...(from.config === undefined || from.config === to.config ? [] : [{ event: 'config', device } as const]),
  ];
}

/** Returns the number of devices whose state is known, in total and by state. */
export function takeStock({ registry }: HomieBroker): Stock {
  const counts: Partial<Record<DeviceState, number>> = {};
  let count = 0;
  for (const { state } of registry.devices.values()) {
    if (state === undefined) continue;
    count += 1;
    counts[state.value] = (counts[state.value] ?? 0) + 1;
  }
  return { count, counts };
}

/** Returns whether nothing has changed. A value that was unknown before does not count as changed. */
function isSame(before: FirmwareName, now: FirmwareName): boolean {
  return (['name', 'version', 'checksum'] as const).every(
    (each) => before[each] === undefined || before[each] === now[each],
  );
}
