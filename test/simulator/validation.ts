import { ObjectValue, Real, Whole, type Value } from './arduino-json';
import { byteLength } from './bytes';

/** A setting that the sketch declares (HomieSetting). */
type Setting =
  | { readonly type: 'long' | 'double'; readonly validate?: (value: number) => boolean; readonly required?: boolean }
  | { readonly type: 'bool'; readonly required?: boolean }
  | { readonly type: 'text'; readonly validate?: (value: string) => boolean; readonly required?: boolean };

/** Settings that a sketch may declare, by name. */
export type Settings = Readonly<Record<string, Setting>>;

/** Settings of the sketch of the recordings. */
export const RECORDED_SKETCH: Settings = {
  percentage: { type: 'long', validate: (value) => value >= 0 && value <= 100 },
  greeting: { type: 'text' },
};

const MAX_SETTINGS = 10;
const UINT16 = 65_535;

/**
 * Returns whether the firmware accepts this file (homie-esp8266 Validation.cpp, validateConfig).
 * @param tls whether the firmware knows `mqtt.ssl`; otherwise it accepts it only if it is off
 */
export function isValid(file: ObjectValue, settings: Settings, tls = true): boolean {
  return (
    rootIsValid(file) &&
    wifiIsValid(file) &&
    mqttIsValid(file) &&
    (tls || isWithoutTls(file)) &&
    otaIsValid(file) &&
    settingsAre(file, settings)
  );
}

const isThere = (value: Value | undefined): value is Exclude<Value, null> => value !== undefined && value !== null;
const isText = (value: Value | undefined, max: number, min = 0): boolean =>
  typeof value === 'string' && byteLength(value) >= min && byteLength(value) <= max;
/** Checks for an integer in a range. -0 is not an integer for any type. */
const isWhole = (value: Value | undefined, min: number, max: number): value is Whole =>
  value instanceof Whole && !Object.is(value.value, -0) && value.value >= min && value.value <= max;
const isUint16 = (value: Value | undefined): boolean => isWhole(value, 0, UINT16);
const isLong = (value: Value): value is Whole => isWhole(value, -(2 ** 31), 2 ** 31 - 1);
const optional = (value: Value | undefined, rule: (value: Value) => boolean): boolean => !isThere(value) || rule(value);

function rootIsValid(file: ObjectValue): boolean {
  return (
    isText(file.get('name'), 64, 1) &&
    optional(file.get('device_id'), (id) => isText(id, 32)) &&
    optional(file.get('device_stats_interval'), isUint16)
  );
}

function wifiIsValid(file: ObjectValue): boolean {
  const wifi = file.get('wifi');
  if (!(wifi instanceof ObjectValue) || !isText(wifi.get('ssid'), 32, 1)) return false;
  if (!optional(wifi.get('password'), (password) => isText(password, 64))) return false;
  const [bssid, channel] = [wifi.get('bssid'), wifi.get('channel')];
  if (isThere(bssid) !== isThere(channel)) return false;
  if (isThere(bssid) && !(isMac(bssid) && isUint16(channel))) return false;
  const addresses = ['ip', 'mask', 'gw'].map((key) => wifi.get(key));
  if (addresses.some(isThere) && !addresses.every((address) => isIp(address))) return false;
  const [dns1, dns2] = [wifi.get('dns1'), wifi.get('dns2')];
  return optional(dns1, isIp) && optional(dns2, (address) => isIp(address) && isThere(dns1));
}

function mqttIsValid(file: ObjectValue): boolean {
  const mqtt = file.get('mqtt');
  return (
    mqtt instanceof ObjectValue &&
    isText(mqtt.get('host'), 255, 1) &&
    optional(mqtt.get('port'), isUint16) &&
    optional(mqtt.get('ssl'), (ssl) => typeof ssl === 'boolean') &&
    optional(mqtt.get('ssl_fingerprint'), (print) => isText(print, 40)) &&
    optional(mqtt.get('base_topic'), (topic) => isText(topic, 48)) &&
    optional(
      mqtt.get('auth'),
      (auth) =>
        auth === false || (auth === true && isText(mqtt.get('username'), 32) && isText(mqtt.get('password'), 32)),
    )
  );
}

function isWithoutTls(file: ObjectValue): boolean {
  const mqtt = file.get('mqtt');
  if (!(mqtt instanceof ObjectValue)) return false;
  return mqtt.get('ssl') !== true && optional(mqtt.get('ssl_fingerprint'), (print) => print === '');
}

function otaIsValid(file: ObjectValue): boolean {
  return optional(
    file.get('ota'),
    (ota) => ota instanceof ObjectValue && optional(ota.get('enabled'), (enabled) => typeof enabled === 'boolean'),
  );
}

function settingsAre(file: ObjectValue, settings: Settings): boolean {
  const given = file.get('settings');
  const object = given instanceof ObjectValue ? given : new ObjectValue();
  if (object.members.length > MAX_SETTINGS) return false;
  return Object.entries(settings).every(([name, setting]) => {
    const value = object.get(name);
    return isThere(value) ? isSetting(value, setting) : setting.required !== true;
  });
}

function isSetting(value: Value, setting: Setting): boolean {
  switch (setting.type) {
    case 'bool':
      return typeof value === 'boolean';
    case 'text':
      return typeof value === 'string' && (setting.validate?.(value) ?? true);
    case 'long':
      return isLong(value) && (setting.validate?.(value.value) ?? true);
    case 'double':
      return (value instanceof Whole || value instanceof Real) && (setting.validate?.(value.value) ?? true);
  }
}

/** Returns whether IPAddress::fromString accepts the value (Helpers.cpp, validateIP). */
function isIp(value: Value | undefined): boolean {
  if (typeof value !== 'string' || value.length > 16) return false;
  const parts = value.split('.');
  return parts.length === 4 && parts.every((part) => /^\d*$/.test(part) && Number(part) <= 255);
}

/** Checks a MAC address as Helpers.cpp, validateMacAddress does. */
function isMac(value: Value): boolean {
  if (typeof value !== 'string') return false;
  let digits = 0;
  let separators = 0;
  for (const character of value) {
    if (/[\da-f]/i.test(character)) digits += 1;
    else if (character === ':' || character === '-') {
      if (digits === 0 || Math.floor(digits / 2) - 1 !== separators) break;
      separators += 1;
    } else separators = -1;
  }
  return digits === 12 && separators === 5;
}
