import { HomieError } from '../../src/errors';
import type { DeviceChoice } from '../../src/homie/select';
import { plainText } from '../../src/plain-text';
import { phrase } from '../../src/texts/text';
import { isAbsent, membersOf, readDevices, type Request } from '../shared/request';

/** The devices that the node itself selects: those in its field, or all that run this firmware. */
export type DeviceSetting = { readonly devices: () => Promise<unknown> } | { readonly runningThisFirmware: true };

/**
 * Returns the devices that a message selects, or else those that the node selects. An empty value never selects all
 * devices.
 *
 * @throws {HomieError} NO_DEVICE, INVALID_DEVICE_ID, INVALID_SETTING
 */
export async function readChoice(
  msg: { readonly device?: unknown; readonly matchFirmware?: unknown },
  setting: DeviceSetting,
): Promise<DeviceChoice> {
  const match = readFlag('matchFirmware', msg.matchFirmware);
  if (!isAbsent(msg.device)) {
    if (match !== true) return { devices: readDevices(msg.device) };
    throw new HomieError('INVALID_SETTING.deviceAndMatch');
  }
  if (match === true) return { runningThisFirmware: true };
  if ('devices' in setting) return { devices: readDevices(await setting.devices()) };
  if (match === false) throw new HomieError('NO_DEVICE');
  return setting;
}

function readFlag(name: string, value: unknown): boolean | undefined {
  if (isAbsent(value) || value === '') return undefined;
  if (value === true || value === 'true') return true;
  if (value === false || value === 'false') return false;
  throw new HomieError('INVALID_SETTING.mustBe', { name, expected: phrase('expectedFlag') });
}

/**
 * Whether an image is offered in place of any other one: `options.replace`.
 *
 * @throws {HomieError} INVALID_SETTING
 */
export function readReplace(value: unknown): boolean {
  return readFlag('replace', value) ?? false;
}

/** Maximum length of the reason that another node gave, in characters. */
const MAX_REASON = 200;

/**
 * Refuses a message without a payload that another node could not give one, such as a file in node whose file is
 * missing: the update would otherwise send the firmware on offer, which the user did not ask for.
 *
 * @throws {HomieError} FIRMWARE_NOT_READ
 */
export function refuseUnread({ payload, error }: Request): void {
  if (!isAbsent(payload) || isAbsent(error)) return;
  const { message = error } = error instanceof Error ? error : (membersOf(error) ?? {});
  if (typeof message !== 'string' || message === '') throw new HomieError('FIRMWARE_NOT_READ');
  // Catch nodes put the name of the class first. An address may contain a password.
  const reason = message
    .replace(/^Error: /, '')
    .replace(/\.$/, '')
    .replaceAll(/\/\/[^/\s]*@/g, '//');
  throw new HomieError('FIRMWARE_NOT_READ.reason', { reason: plainText(reason, MAX_REASON) });
}
