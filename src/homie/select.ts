import { HomieError } from '../errors';
import { phrase, type Text } from '../texts/text';
import type { HomieBroker } from './broker';
import type { Device } from './device';
import { isPattern, matchAny, readPattern } from './pattern';
import { untilSettled } from './presence';
import { checkDeviceId } from './topics';

/**
 * Which devices are selected: these ids and patterns, or all whose `$fw/name` is that of the image. `together`: the ids
 * were selected together, as by a pattern, so that stops and exclusions apply to them.
 */
export type DeviceChoice =
  { readonly devices: readonly string[]; readonly together?: true } | { readonly runningThisFirmware: true };

/**
 * Returns the ids of the selected devices, each once: in the given order, and sorted by id where a pattern or the
 * firmware name selects them. For a pattern or the firmware name, waits until the retained messages have arrived.
 *
 * @param firmwareName the name in the image, if there is one
 * @param mayBeNone whether an empty result is allowed, since more devices may appear later
 * @throws {HomieError} NO_DEVICE, INVALID_DEVICE_ID, NO_MATCH, SUBSCRIBE_REFUSED, NOT_HOMIE; the reason of the signal
 */
export async function selectDevices(
  broker: HomieBroker,
  choice: DeviceChoice,
  firmwareName: string | undefined,
  signal: AbortSignal,
  mayBeNone = false,
): Promise<string[]> {
  checkChoice(choice, firmwareName);
  if ('devices' in choice) return selectNamed(broker, choice.devices, signal, mayBeNone);
  await broker.settled(signal);
  const ids = known(broker, ({ fwName }) => fwName?.value === firmwareName);
  if (ids.length === 0 && !mayBeNone) {
    throw (
      broker.refusal('$fw/name') ??
      new HomieError('NO_MATCH.firmware', { baseTopic: broker.shownBaseTopic, firmware: String(firmwareName) })
    );
  }
  return ids;
}

/**
 * Returns the same as `selectDevices`, but always waits until the retained messages have arrived, even for ids.
 *
 * @throws {HomieError} those of `selectDevices` and `untilSettled`; the reason of the signal
 */
export async function selectKnown(
  broker: HomieBroker,
  choice: DeviceChoice,
  firmwareName: string | undefined,
  signal: AbortSignal = new AbortController().signal,
): Promise<string[]> {
  checkChoice(choice, firmwareName);
  await untilSettled(broker, signal);
  await broker.seek(namedDevices(choice), signal);
  return selectDevices(broker, choice, firmwareName, signal);
}

/** @throws {HomieError} NO_DEVICE, INVALID_DEVICE_ID, NOT_HOMIE */
function checkChoice(choice: DeviceChoice, firmwareName: string | undefined): void {
  if ('devices' in choice) {
    if (choice.devices.length === 0) throw new HomieError('NO_DEVICE');
    for (const device of namedDevices(choice)) checkDeviceId(device);
  } else if (firmwareName === undefined) {
    throw new HomieError('NOT_HOMIE.noSelection');
  }
}

/** Returns whether a device that appears later is selected, too. */
export function isMeant(choice: DeviceChoice, device: Device, firmwareName: string | undefined): boolean {
  if ('devices' in choice) return matchAny(choice.devices)(device.id);
  return firmwareName !== undefined && device.fwName?.value === firmwareName;
}

/** Returns the devices that are selected by id, not by a pattern. */
export function namedDevices(choice: DeviceChoice): string[] {
  return 'devices' in choice ? choice.devices.filter((device) => !isPattern(device)) : [];
}

/** Returns whether a device is selected by its full id, so that stops and exclusions do not apply to it. */
export function isNamed(choice: DeviceChoice, device: string): boolean {
  return 'devices' in choice && choice.together !== true && choice.devices.includes(device);
}

async function selectNamed(
  broker: HomieBroker,
  named: readonly string[],
  signal: AbortSignal,
  mayBeNone: boolean,
): Promise<string[]> {
  const matches = new Map(named.filter(isPattern).map((pattern) => [pattern, readPattern(pattern)]));
  if (matches.size > 0) await broker.settled(signal);
  const ids = named.flatMap((device) => {
    const match = matches.get(device);
    return match === undefined ? [device] : known(broker, ({ id }) => match(id));
  });
  if (ids.length === 0 && !mayBeNone) {
    throw (
      broker.refusal('$state', '$online') ??
      new HomieError('NO_MATCH.devices', { baseTopic: broker.shownBaseTopic, patterns: either(named) })
    );
  }
  return [...new Set(ids)];
}

/** Joins names as alternatives. Splits them in halves, because there may be thousands. */
function either(names: readonly string[]): Text | string {
  const half = Math.ceil(names.length / 2);
  if (names.length < 2) return names.join('');
  return phrase('either', { one: either(names.slice(0, half)), other: either(names.slice(half)) });
}

function known(broker: HomieBroker, fits: (device: Device) => boolean): string[] {
  return [...broker.registry.devices.values()]
    .filter(fits)
    .map(({ id }) => id)
    .sort();
}
