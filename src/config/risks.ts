/** What a valid patch can do to a device that then nobody reaches any more. */
import type { Change } from './compare';
import { isObject, member, pathText, type Json, type Keys } from './json';

export interface Risk {
  readonly path: string;
  /** What could happen. */
  readonly message: string;
}

const OUT_OF_REACH = 'Only somebody at the device can then bring it back.';

/** The risks among the changes: everything in `wifi` and `mqtt`, the device id, and OTA being switched off. */
export function risksOf(changed: readonly Change[]): Risk[] {
  return changed.flatMap(({ keys, from, to }) => {
    const message = whatCouldHappen(keys, from, to);
    return message === undefined ? [] : [{ path: pathText(keys), message }];
  });
}

function whatCouldHappen(keys: Keys, from: Json | undefined, to: Json | undefined): string | undefined {
  const [root = '', key] = keys;
  const isRemoved = to === undefined || to === null;
  switch (root) {
    case 'device_id':
      return isRemoved
        ? 'The device falls back to its MAC address as its id, and all its topics move there.'
        : 'All topics of the device move to the new id; flows and rules that use the old one lose it.';
    case 'wifi':
      if (key === 'password' && typeof to === 'string' && !isPassphrase(to)) {
        return `No WPA network takes such a password: it has 8 to 63 characters, or is 64 hexadecimal digits. ${OUT_OF_REACH}`;
      }
      return key === 'password' && isRemoved
        ? `The device connects without a password; if the network has one, it never comes back. ${OUT_OF_REACH}`
        : `If this does not fit the network, the device never connects again. ${OUT_OF_REACH}`;
    case 'mqtt':
      if (key !== 'base_topic') {
        return `If this does not fit a broker, or the broker is another one, the device disappears. ${OUT_OF_REACH}`;
      }
      return isRemoved
        ? 'The device falls back to the base topic homie/, and all its topics move there.'
        : 'All topics of the device move to the new base topic; what listens to the old one loses it.';
    case 'ota':
      return isSwitchedOff(keys, from, to)
        ? 'The device takes no firmware over MQTT until OTA is enabled again.'
        : undefined;
    default:
      return undefined;
  }
}

/** What WPA takes as a password; an empty one is for an open network. */
function isPassphrase(password: string): boolean {
  const bytes = Buffer.byteLength(password);
  return bytes === 0 || (bytes >= 8 && bytes <= 63) || /^[\da-f]{64}$/i.test(password);
}

/** Without `ota`, or its `enabled`, OTA is off (homie-esp8266 Config.cpp, load). */
function isSwitchedOff(keys: Keys, from: Json | undefined, to: Json | undefined): boolean {
  if (keys.length > 1) return keys[1] === 'enabled' && from === true && to !== true;
  return isEnabled(from) && !isEnabled(to);
}

function isEnabled(ota: Json | undefined): boolean {
  return isObject(ota) && member(ota, 'enabled') === true;
}
