import assert from 'node:assert/strict';
import { draw } from './draw';
import { REFUSED } from './messages';
import { Moments } from './moments';
import { digest, script } from './plan';
import { slope } from './soak';
import { Tap } from './tap';

const plans = (seed: number, count = 200) => Array.from({ length: count }, (_none, run) => draw(seed, run));

describe('a plan of chaos', () => {
  it('is the same for the same seed', () => {
    assert.equal(digest(plans(7)), digest(plans(7)));
    assert.notEqual(digest(plans(7)), digest(plans(8)));
  });

  it('is the same for the same run, whichever others there are', () => {
    assert.deepEqual(plans(7)[150], draw(7, 150));
  });

  it('has fleets of both chips, of 1 to 30 devices, updates and patches, in binary and base64, and sleeping devices', () => {
    const all = plans(7);
    const counts = all.map(({ devices }) => devices.length);
    assert.equal(Math.min(...counts), 1);
    assert.ok(Math.max(...counts) > 25 && Math.max(...counts) <= 30);
    const devices = all.flatMap((plan) => plan.devices);
    const errands = all.flatMap((plan) => plan.errands);
    assert.deepEqual(new Set(devices.map(({ implementation }) => implementation)), new Set(['esp8266', 'esp32']));
    assert.deepEqual(new Set(errands.map(({ what }) => what)), new Set(['update', 'set']));
    assert.deepEqual(new Set(errands.map(({ encoding }) => encoding)), new Set(['binary', 'base64']));
    assert.ok(devices.some(({ sleep }) => sleep !== undefined));
  });

  it('has devices and messages for each promise that is easily broken', () => {
    const all = plans(7);
    const devices = all.flatMap((plan) => plan.devices);
    const mishaps = new Set(devices.map(({ mishap }) => mishap?.what));
    for (const what of ['never idle', '200 lost', '200 lost, never idle', 'slow', 'silent'] as const) {
      assert.ok(mishaps.has(what), what);
    }
    assert.ok(devices.some(({ stale }) => stale !== undefined));
    assert.ok(devices.some(({ statistics }) => statistics === 'first lost'));
    assert.ok(devices.some(({ unknownMac }) => unknownMac));
    assert.ok(devices.some(({ retained }) => retained.some(({ payload }) => payload === 'PREVIOUS')));
    const errands = all.flatMap((plan) => plan.errands);
    assert.deepEqual(new Set(errands.map(({ via }) => via)), new Set([0, 1]));
    assert.ok(errands.some(({ exclude }) => exclude.length > 0));
    assert.ok(errands.some(({ allowIncompatible }) => allowIncompatible));
    assert.ok(errands.some(({ what, version }) => what === 'set' && version === REFUSED));
    assert.ok(all.some(({ reconnect }) => reconnect.min > 300));
  });

  it('has every fault', () => {
    const faults = new Set(plans(7, 1000).flatMap(({ blows }) => blows.map(({ fault }) => fault.what)));
    assert.equal(faults.size, 34, [...faults].join(', '));
  });

  it('tells its devices and its faults in order', () => {
    const plan = plans(7).find(({ blows }) => blows.length > 1);
    assert.ok(plan !== undefined);
    const lines = script(plan).split('\n');
    assert.equal(lines.length, 1 + plan.devices.length + plan.errands.length + plan.blows.length);
  });
});

describe('a moment', () => {
  it('comes when something has happened so often, at one device or at any', async () => {
    const moments = new Moments();
    const acts: string[] = [];
    moments.on({ event: 'ready', nth: 2 }, () => acts.push('any'));
    moments.on({ event: 'ready', device: 1, nth: 2 }, () => acts.push('one'));
    moments.tell('ready', 0);
    moments.tell('boot', 1);
    moments.tell('ready', 1);
    await Promise.resolve();
    assert.deepEqual(acts, ['any']);
    moments.tell('ready', 1);
    moments.tell('ready', 1);
    await Promise.resolve();
    assert.deepEqual(acts, ['any', 'one']);
  });

  it('that ends a fault comes in any case', () => {
    const moments = new Moments();
    const acts: string[] = [];
    moments.on({ event: 'ready', nth: 1 }, () => acts.push('fault'));
    moments.mend({ event: 'ready', nth: 1 }, () => acts.push('end'));
    assert.equal(moments.mendAll(), true);
    assert.equal(moments.mendAll(), false);
    assert.deepEqual(acts, ['end']);
  });
});

describe('a tap', () => {
  /** A PINGREQ, a PUBLISH with QoS 1 to `a/b` with four bytes, and the same with DUP. */
  const bytes = Buffer.concat([
    Buffer.from([0xc0, 0]),
    Buffer.from([0x32, 11, 0, 3]),
    Buffer.from('a/b'),
    Buffer.from([0, 1, 1, 2, 3, 4]),
    Buffer.from([0x3a, 11, 0, 3]),
    Buffer.from('a/b'),
    Buffer.from([0, 1, 1, 2, 3, 4]),
  ]);

  for (const size of [1, 3, bytes.length]) {
    it(`hears what is published, in pieces of ${size} bytes`, () => {
      const heard: string[] = [];
      const tap = new Tap(
        ({ topic, dup }) => heard.push(`begun ${topic} ${dup}`),
        ({ topic }) => heard.push(`passed ${topic}`),
      );
      for (let at = 0; at < bytes.length; at += size) tap.hear(bytes.subarray(at, at + size));
      assert.deepEqual(heard, ['begun a/b false', 'passed a/b', 'begun a/b true', 'passed a/b']);
    });
  }
});

describe('the slope of a soak', () => {
  it('is that of the straight line through its samples', () => {
    assert.equal(
      slope([
        [100, 5],
        [200, 5],
        [300, 5],
      ]),
      0,
    );
    assert.equal(
      slope([
        [100, 1000],
        [200, 1500],
        [300, 2000],
      ]),
      5,
    );
  });

  it('does not follow one sample that is far off', () => {
    const steady = [100, 200, 300, 400].map((updates) => [updates, 10 * updates] as const);
    assert.equal(slope([...steady, [500, 1_000_000]]), 10);
  });
});
