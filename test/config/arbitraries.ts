import fc from 'fast-check';
import { objectOf, type Json, type JsonObject } from '../../src/config/json';

/** Keys that a naive merge trips over are among them. */
const settingKey = fc.constantFrom('a', 'brightness', 'über', 'apiToken', '__proto__', 'constructor', 'long-name', '7');

/** Text without what JSON can only write as an escape that devices refuse. */
const text = (maxLength: number): fc.Arbitrary<string> =>
  fc.string({ unit: fc.constantFrom('a', 'B', '7', ' ', '"', '\\', '\n', 'ü', '☕', '🙂', '/'), maxLength });

const number = fc.oneof(
  fc.integer({ min: -(2 ** 31), max: 2 ** 32 - 1 }),
  fc.constantFrom(0.5, 21.5, 0.1, -3.25, 1e-7, 1e10),
);
const scalar: fc.Arbitrary<Json> = fc.oneof(text(120), number, fc.boolean());

const { nested } = fc.letrec<{ nested: Json }>((tie) => ({
  nested: fc.oneof(
    { depthSize: 'small', withCrossShrink: true },
    scalar,
    fc.constant(null),
    fc.array(tie('nested'), { maxLength: 3 }),
    fc.array(fc.tuple(settingKey, tie('nested')), { maxLength: 3 }).map(objectOf),
  ),
}));

/** Any JSON. */
export const json: fc.Arbitrary<Json> = nested;

/** Any patch, mostly one that touches what devices have. */
export const patch: fc.Arbitrary<JsonObject> = fc
  .array(
    fc.oneof(
      { weight: 4, arbitrary: members(settingKey, nested, 6).map((value): [string, Json] => ['settings', value]) },
      { weight: 2, arbitrary: fc.tuple(fc.constant('name'), text(80)) },
      fc.tuple(fc.constant('device_id'), fc.oneof(fc.constantFrom('lamp', 'Ä b', 'x/y'), fc.constant(null))),
      fc.tuple(fc.constant('device_stats_interval'), fc.oneof(fc.integer({ min: -5, max: 1200 }), fc.constant(null))),
      section('wifi', ['ssid', 'password', 'ip', 'mask', 'gw'], fc.oneof(text(70), fc.constant('10.0.0.1'))),
      section('mqtt', ['host', 'username', 'password', 'base_topic'], fc.oneof(text(50), fc.constant('home/'))),
      section('mqtt', ['auth', 'ssl'], fc.boolean()),
      section('ota', ['enabled'], fc.boolean()),
      fc.tuple(settingKey, nested),
    ),
    { maxLength: 5 },
  )
  .map(objectOf);

/** A patch that is mostly too much at once. */
export const largePatch: fc.Arbitrary<JsonObject> = fc
  .record(
    {
      name: text(40),
      settings: members(settingKey, fc.oneof({ weight: 3, arbitrary: longText() }, fc.constant(null), nested), 8),
      wifi: fc.record({ ssid: text(20), password: text(60) }, { requiredKeys: [] }),
      mqtt: fc.record({ host: longText(), port: fc.integer({ min: 1, max: 9999 }) }, { requiredKeys: [] }),
      device_id: fc.constantFrom('lamp-2', 'kitchen'),
      extra: members(settingKey, nested, 3),
    },
    { requiredKeys: ['settings'] },
  )
  .map((value) => objectOf(Object.entries(value)));

/** A file that a device runs on, with its secrets. */
export const file: fc.Arbitrary<JsonObject> = fc
  .record({
    name: text(40).map((name) => `n${name}`),
    deviceId: fc.constantFrom('lamp-1', undefined),
    ota: fc.constantFrom({ enabled: true }, { enabled: false }, undefined),
    password: fc.option(text(20), { nil: undefined }),
    auth: fc.constantFrom(true, false, undefined),
    credentials: fc.tuple(text(20), text(20)),
    stale: fc.boolean(),
    settings: fc.option(members(settingKey, scalar, 4), { nil: undefined }),
  })
  .map(({ name, deviceId, ota, password, auth, credentials: [username, secret], stale, settings }) => {
    // Credentials stay in the file when auth is switched off.
    const credentials = auth === true || stale ? { username, password: secret } : { port: 1883 };
    const all: [string, Json | undefined][] = [
      ['name', name],
      ['device_id', deviceId],
      ['wifi', password === undefined ? { ssid: 'net' } : { ssid: 'net', password }],
      ['mqtt', { host: 'broker', ...(auth !== undefined && { auth }), ...credentials }],
      ['ota', ota],
      ['settings', settings],
    ];
    return objectOf(all.filter((entry): entry is [string, Json] => entry[1] !== undefined));
  });

function members(key: fc.Arbitrary<string>, value: fc.Arbitrary<Json>, maxLength: number): fc.Arbitrary<JsonObject> {
  return fc.uniqueArray(fc.tuple(key, value), { maxLength, selector: ([name]) => name }).map(objectOf);
}

function section(name: string, keys: string[], value: fc.Arbitrary<Json>): fc.Arbitrary<[string, Json]> {
  return members(fc.constantFrom(...keys), fc.oneof(value, fc.constant(null)), keys.length).map((object) => [
    name,
    object,
  ]);
}

function longText(): fc.Arbitrary<string> {
  return fc.integer({ min: 40, max: 200 }).map((length) => 'x'.repeat(length));
}
