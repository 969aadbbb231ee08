import assert from 'node:assert/strict';
import { checkPatch, type Check } from '../../src/config/check';
import { leaves, pathText } from '../../src/config/json';
import { codes, parse, publishedText, recording, type PatchResult } from './recordings';

describe('check against what the firmware made of the same patch', () => {
  const { config, result } = recording<Record<string, PatchResult>>('config_variants');
  const variants = Object.entries(result);

  /** Only the sketch knows the types and validators of its settings; check says `unknown`. */
  const decidedBySketch = new Set(['pct_101', 'pct_string', 'pct_float', 'pct_bool', 'greeting_number']);
  /** Text is read as JSON before it is sent: some that the device refuses is thereby repaired ... */
  const repairedByJson = new Set(['pct_50_0', 'pct_5e1', 'name_escape_u', 'name_escape_ascii_u']);
  /** ... and some that it takes is refused. */
  const refusedByJson = new Set(['single_quotes', 'unquoted_key', 'comment', 'trailing_garbage']);

  /** The device accepts it, and it breaks the device. */
  const harms: Record<string, { code: string; path: string }> = {
    interval_3600: { code: 'CONFIG_HARM', path: 'device_stats_interval' },
    settings_array: { code: 'CONFIG_HARM', path: 'settings' },
    settings_string: { code: 'CONFIG_HARM', path: 'settings' },
  };

  const check = (patch: string): Check => checkPatch({ config: publishedText(config), patch, allowRisky: true });

  it('has all the patches', () => assert.equal(variants.length, 65));

  for (const [name, { patch, rebooted, file_changed: changed, published, serial }] of variants) {
    if (decidedBySketch.has(name)) {
      it(`leaves ${name} to the sketch, which refused it`, () => {
        assert.equal(rebooted, false);
        assert.equal(check(patch).verdict, 'unknown');
        assert.deepEqual(check(patch).sketch, leaves(parse(patch)).map(pathText));
      });
    } else if (repairedByJson.has(name)) {
      it(`repairs ${name}, which the device refused as it was`, () => {
        assert.equal(rebooted, false);
        assert.notEqual(check(patch).verdict, 'rejected');
        assert.notEqual(check(patch).steps[0]?.text(), patch);
        assert.doesNotMatch(check(patch).steps[0]?.text() ?? '', /\\u|\.0|e1/);
      });
    } else if (refusedByJson.has(name)) {
      it(`refuses ${name} as JSON, which the device took`, () => {
        assert.equal(rebooted, true);
        assert.deepEqual(codes(check(patch)), ['PATCH_JSON']);
      });
    } else if (!rebooted) {
      it(`refuses ${name} as the device did, and for its reason`, () => {
        assert.equal(check(patch).verdict, 'rejected');
        const [problem] = check(patch).problems;
        const reason = /reason: (\w+)/.exec(serial.join())?.[1];
        if (reason === undefined) assert.match(problem?.code ?? '', /^PATCH_/);
        else assert.deepEqual([problem?.code, problem?.path.split('.')[0]], ['CONFIG_RULE', reason]);
      });
    } else if (name in harms) {
      it(`refuses ${name}, which the device accepted although it breaks the device`, () => {
        const [problem] = check(patch).problems;
        assert.deepEqual({ code: problem?.code, path: problem?.path }, harms[name]);
      });
    } else {
      it(`takes ${name} as the device did, and foresees what it then publishes`, () => {
        const { verdict, steps } = check(patch);
        if (!changed) assert.equal(verdict, 'no_change');
        else assert.match(verdict, /^(set|unknown)$/);
        const expected = steps[0]?.expected() ?? parse(publishedText(config));
        assert.deepEqual(expected, parse(published ?? ''));
      });
    }
  }
});
