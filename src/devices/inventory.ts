/** What happens to the devices of a broker, told to whoever does not want to watch them all. */
import { EventEmitter } from 'node:events';
import type { HomieBroker } from '../homie/broker';
import { runningFirmware, type Device, type DeviceEvent, type DeviceState } from '../homie/device';
import type { FirmwareName } from '../update/update';

/** `gone`: the broker has no state of the device any more. Nothing is said of what a configuration holds. */
export type DeviceChange = { readonly device: string } & (
  | { readonly event: 'appeared'; readonly state: DeviceState; readonly firmware: FirmwareName }
  | { readonly event: 'state'; readonly from: DeviceState; readonly to: DeviceState }
  | { readonly event: 'firmware'; readonly from: FirmwareName; readonly to: FirmwareName }
  | { readonly event: 'config' }
  | { readonly event: 'gone' }
);

/** How many devices there are, and how many in each state. */
export interface Stock {
  readonly count: number;
  readonly counts: Partial<Record<DeviceState, number>>;
}

/** All devices, when what is retained has been received. */
export interface StockReport extends Stock {
  readonly event: 'inventory';
  /** What is not as it was before the connection was lost; not there the first time. */
  readonly changes?: readonly DeviceChange[];
}

/** What was last told of a device. */
interface Told {
  readonly state: DeviceState;
  readonly firmware: FirmwareName;
  readonly config: string | undefined;
}

/**
 * Tells what happens to devices. What is retained is no event: at each connection it comes as one report, when the broker
 * has settled. Emits `event` from `start` to `close`.
 */
export class Inventory extends EventEmitter<{ event: [DeviceChange | StockReport] }> {
  readonly #broker: HomieBroker;
  readonly #told = new WeakMap<Device, Told>();
  /** What happened between a connection and the report. */
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

  /** Firmware and configuration are compared when the state changes: they come one by one between `init` and `ready`. */
  readonly #hear = (id: string, event: DeviceEvent): void => {
    if (event.attribute !== 'state' || !this.#broker.isSettled) return;
    const device = this.#broker.registry.get(id);
    if (device === undefined) return;
    const isKnown = this.#told.has(device);
    if (event.live) {
      // A new device is told of when more is known of it.
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

  /** What is not as it was last told, which is then taken as told. */
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
    // The rest comes one by one between `init` and `ready`.
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

/** Counts the devices whose state is known. */
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

/** What was not known before is no difference. */
function isSame(before: FirmwareName, now: FirmwareName): boolean {
  return (['name', 'version', 'checksum'] as const).every(
    (each) => before[each] === undefined || before[each] === now[each],
  );
}
