import assert from 'node:assert/strict';
import fc from 'fast-check';
import { checkPatch, type Check, type CheckInput } from '../../src/config/check';
import { changes, sameNumber } from '../../src/config/compare';
import { patchFile, readFile } from '../../src/config/file';
import type { Json, JsonObject } from '../../src/config/json';
import { mergePatch, readPatch } from '../../src/config/patch';
import { brokenRules } from '../../src/config/rules';
import { file, largePatch, patch } from './arbitraries';
import { mergedFile } from '../simulator/configuration';
import { codes, parse, publishedText } from './recordings';

const CONFIG = JSON.stringify({
  name: 'Lamp',
  device_id: 'lamp',
  wifi: { ssid: 'net' },
  mqtt: { host: 'broker', port: 1883 },
  ota: { enabled: true },
  settings: { greeting: 'hello', old: 'x'.repeat(150), brightness: 42 },
});

function check(change: Json, more: Partial<CheckInput> = {}): Check {
  return checkPatch({ config: CONFIG, patch: change, allowRisky: true, split: true, ...more });
}

function text(length: number): string {
  return 'x'.repeat(length);
}

function patches({ steps }: Check): JsonObject[] {
  return steps.map((step) => parse(step.text()));
}

describe('splitting a patch that is too much at once', () => {
  it('sends a patch that fits as it is', () => {
    const change = { name: 'Hall', wifi: { ssid: 'net' } };
    assert.deepEqual(patches(check(change)), [change]);
  });

  it('refuses it without split: true, with the numbers and the split that would fit', () => {
    const change = { name: text(60), settings: { a: text(150), b: text(150) } };
    const { verdict, problems, steps, budget } = check(change, { split: false });
    assert.equal(verdict, 'rejected');
    assert.match(
      problems[0]?.message ?? '',
      new RegExp(`needs ${budget?.merge.used} bytes of memory, but the device has only ${budget?.merge.limit} `),
    );
    assert.match(problems[0]?.hint ?? '', /2 patches, .*: name, settings\.a \| settings\.b\./);
    assert.equal(steps.length, 2);
    assert.equal(check(change).verdict, 'unknown');
    assert.equal(check(change).reboots, 2);
  });

  it('names the memory to read a patch apart from that to merge it', () => {
    const change = { settings: { a: text(180), b: text(180), c: text(100), old: null } };
    assert.deepEqual(codes(check(change, { split: false })), ['PATCH_TOO_LARGE', 'MERGE_TOO_LARGE']);
  });

  it('removes first, then shortens, then lengthens', () => {
    const change = { settings: { greeting: text(190), more: text(150), old: null, brightness: 7 } };
    assert.deepEqual(patches(check(change)), [
      { settings: { old: null, brightness: 7, more: text(150) } },
      { settings: { greeting: text(190) } },
    ]);
  });

  it('leaves out what the device has already', () => {
    const full = { ...parse(CONFIG), settings: { greeting: text(190), old: text(150), brightness: 42 } };
    assert.deepEqual(patches(check(full)), [{ settings: { greeting: text(190) } }]);
  });

  it('puts device_id, wifi and mqtt last, whole and alone', () => {
    const change = {
      mqtt: { host: text(90), port: 1884 },
      wifi: { ssid: text(30), password: text(60) },
      device_id: 'hall',
      settings: { greeting: text(100) },
    };
    assert.deepEqual(patches(check(change)), [
      { settings: change.settings },
      { device_id: 'hall' },
      { wifi: change.wifi },
      { mqtt: change.mqtt },
    ]);
  });

  it('never splits wifi or mqtt', () => {
    const { verdict, steps, problems } = check({ mqtt: { host: text(250), base_topic: `${text(40)}/` } });
    assert.equal(verdict, 'rejected');
    assert.deepEqual(steps, []);
    assert.match(problems[0]?.hint ?? '', /no split/);
  });

  it('refuses a value that is too long even alone', () => {
    assert.equal(check({ settings: { a: text(400) } }).verdict, 'rejected');
  });

  it('splits settings that are new as a whole', () => {
    const config = JSON.stringify({ name: 'n', wifi: { ssid: 's' }, mqtt: { host: 'h' } });
    const settings = { a: text(180), b: text(180), c: text(180) };
    assert.equal(patches(check({ settings }, { config })).length, 3);
  });

  it('keeps a new object with a null in one piece, since a null removes once the object is there', () => {
    const config = JSON.stringify({ name: 'n', wifi: { ssid: 's' }, mqtt: { host: 'h' } });
    const settings = { a: { b: null, c: text(180) }, d: text(180) };
    assert.deepEqual(patches(check({ settings }, { config })), [
      { settings: { d: text(180) } },
      { settings: { a: settings.a } },
    ]);
  });

  it('gives steps that the device takes without a loss, and that end where the whole patch would', () => {
    let splits = 0;
    fc.assert(
      fc.property(file, fc.oneof(patch, largePatch), (content, change) => {
        const config = publishedText(JSON.stringify(content));
        const { verdict, steps } = checkPatch({ config, patch: change, allowRisky: true, split: true, force: true });
        if (verdict === 'rejected') return;
        if (steps.length > 1) splits++;
        let current = JSON.stringify(content);
        let known = readFile(current) ?? assert.fail();
        for (const step of steps) {
          const part = readPatch(step.text());
          current = mergedFile(current, JSON.stringify(part)) ?? assert.fail('the device could not read it');
          known = patchFile(known, part);
          assert.deepEqual(parse(current), known.content);
          assert.deepEqual(parse(publishedText(current)), step.expected());
          assert.deepEqual(brokenRules(known), []);
          assert.ok(Buffer.byteLength(current) <= 999);
        }
        assert.deepEqual(changes(parse(current), mergePatch(content, change), sameNumber('single')), []);
      }),
      { numRuns: 1000 },
    );
    assert.ok(splits > 50, `only ${splits} were split`);
  });
});
