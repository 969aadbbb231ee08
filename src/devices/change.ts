/** The events of devices: plain data, each with a sentence for people. */
import type { DeviceState } from '../homie/device';
import { plainText } from '../plain-text';
import { fromTo, named, sentenceOf } from '../update/sentence';
import type { FirmwareName, Update } from '../update/update';

/** A change of a device, without its sentence. */
type BareChange = { readonly device: string } & (
  | { readonly event: 'appeared'; readonly state: DeviceState; readonly firmware: FirmwareName }
  | { readonly event: 'state'; readonly from: DeviceState; readonly to: DeviceState }
  | { readonly event: 'firmware'; readonly from: FirmwareName; readonly to: FirmwareName }
  | { readonly event: 'config' }
  | {
      readonly event: 'update_available';
      readonly installed: string | undefined;
      readonly offered: string | undefined;
    }
  | { readonly event: 'updated'; readonly from: FirmwareName; readonly to: FirmwareName }
  | { readonly event: 'gone' }
);

/**
 * A change of one device. `update_available`: a newer image is on offer for the device, by the versions `installed` and
 * `offered`; `updated`: a job has proven that the device runs another image; `gone`: the broker no longer has a state of
 * the device. `config` does not contain the configuration.
 */
export type DeviceChange = BareChange & { readonly text: string };

/** Returns a change with its sentence. */
export function inWords<Change extends Exclude<BareChange, { readonly event: 'update_available' | 'updated' }>>(
  change: Change,
): Change & { readonly text: string } {
  return { ...change, text: sentence(change.device, clauseOf(change)) };
}

/** Returns the event for an update that became available. */
export function updateAvailable(
  device: string,
  { installed, image }: { readonly installed: string | undefined; readonly image: FirmwareName },
): DeviceChange {
  const runs = installed === undefined ? '' : `; version ${plainText(installed)} is installed`;
  const text = sentence(device, `update to ${named(image)} is available${runs}`);
  return { event: 'update_available', device, installed, offered: image.version, text };
}

/** Returns the event for an update that a job has proven; undefined if the job changed no firmware. */
export function updated(update: Update): DeviceChange | undefined {
  const { device, state, from, to } = update;
  if (state !== 'succeeded' || to === undefined) return undefined;
  return { event: 'updated', device, from, to, text: sentenceOf(update) };
}

function clauseOf(change: Exclude<BareChange, { readonly event: 'update_available' | 'updated' }>): string {
  switch (change.event) {
    case 'appeared': {
      const { name, version, checksum } = change.firmware;
      const isKnown = name !== undefined || version !== undefined || checksum !== undefined;
      return `appeared, state ${change.state}${isKnown ? `, runs ${named(change.firmware)}` : ''}`;
    }
    case 'state':
      return `state changed from ${change.from} to ${change.to}`;
    case 'firmware':
      return `firmware changed ${fromTo(change.from, change.to)}`;
    case 'config':
      return 'configuration changed';
    case 'gone':
      return 'removed from the broker';
  }
}

function sentence(device: string, clause: string): string {
  return `${device}: ${clause}.`;
}
