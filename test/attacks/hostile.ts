/** What somebody may publish who means no good. */
import fc from 'fast-check';
import { subscriptions } from '../../src/homie/topics';
import { anyText } from '../support/any-text';

/** A message below a base topic. */
interface HostileMessage {
  readonly topic: string;
  readonly payload: Buffer;
  readonly retained: boolean;
}

/** Names that do harm where somebody takes them for names of his own, for paths, for topics or for a page. */
export const hostileNames: readonly string[] = [
  '__proto__',
  'constructor',
  'hasOwnProperty',
  'toString',
  '..',
  '../../etc/passwd',
  'a/b',
  '+',
  '#',
  '$x',
  '',
  ' ',
  'nul\0',
  'x'.repeat(65_000),
  'line\nend',
  '\u001B[2Jansi',
  '\u{202E}dnekcab',
  '<img src=x onerror="window.broken=1">',
  '\u{D800}',
];

const texts: readonly string[] = [
  ...hostileNames,
  '{"a":'.repeat(800),
  `${'['.repeat(2000)}${']'.repeat(2000)}`,
  '{"__proto__":{"polluted":true},"constructor":{"prototype":{"polluted":true}}}',
  '{"name":{"toString":1},"wifi":"text","mqtt":[],"ota":7,"settings":null}',
  '{"wifi":{"__proto__":{"ssid":"x"}},"device_id":{},"device_stats_interval":1e999}',
  'null',
  'true',
  '[]',
  '7',
  '-1',
  '1e308',
  'NaN',
  '"text"',
  '\u{FEFF}{}',
  '{"a":1}{',
  '200',
  '202',
  '206 1/2',
  '206 9999999999/0',
  '206 -1/-2',
  '304',
  '403',
  '99999',
  ...['toString', '__proto__', 'constructor', 'hasOwnProperty', '0', '15'].flatMap((word) => [
    `500 INTERNAL_ERROR ${word}`,
    `400 ${word}`,
    `500 ${word} ${word}`,
  ]),
  'init',
  'ready',
  'lost',
  'sleeping',
  'disconnected',
  'alert',
  'READY',
  'ready\n',
  'd41d8cd98f00b204e9800998ecf8427e',
];

const bytes: readonly Buffer[] = [
  ...texts.map((text) => Buffer.from(text)),
  Buffer.from(''),
  Buffer.from([0xff, 0xfe, 0xc0, 0x80, 0xed, 0xa0, 0x80]),
  Buffer.alloc(256, 0xff),
  Buffer.alloc(257, 0x41),
  Buffer.alloc(4096, 0xff),
  Buffer.alloc(4097, 0x7b),
  Buffer.alloc(1_000_000, 0x22),
];

/** Payloads for any topic. */
const payloads: fc.Arbitrary<Buffer> = fc.oneof(
  { arbitrary: fc.constantFrom(...bytes), weight: 6 },
  { arbitrary: fc.uint8Array({ maxLength: 60 }).map((each) => Buffer.from(each)), weight: 2 },
  { arbitrary: anyText({ maxLength: 40 }).map((text) => Buffer.from(text)), weight: 1 },
  { arbitrary: fc.integer({ min: 100, max: 599 }).map((number) => Buffer.from(`${number} WORD 7`)), weight: 1 },
);

/** What stands behind the id of a device, of all that is subscribed. */
export const subTopics: readonly string[] = subscriptions('').map((filter) => filter.slice('+/'.length));

/** Messages of devices with hostile ids, of made-up ones, and in the name of those that there are. */
export function hostileMessages(base: string, devices: readonly string[]): fc.Arbitrary<HostileMessage> {
  const id = fc.oneof(
    { arbitrary: fc.constantFrom(...devices), weight: 3 },
    { arbitrary: fc.constantFrom(...hostileNames), weight: 2 },
    { arbitrary: fc.nat(50_000).map((number) => `fake-${number}`), weight: 5 },
  );
  return fc
    .tuple(id, fc.constantFrom(...subTopics), payloads, fc.boolean())
    .map(([device, name, payload, retained]) => ({ topic: `${base}${device}/${name}`, payload, retained }));
}

/** Properties that change the prototype of all objects where they are merged carelessly. */
export const evil: unknown = JSON.parse(
  '{"__proto__":{"polluted":1},"constructor":{"prototype":{"polluted":1}},"a":{"__proto__":{"polluted":1}}}',
);

export function pollutes(): boolean {
  return 'polluted' in {} || Object.getPrototypeOf(Object.prototype) !== null;
}
