import assert from 'node:assert/strict';
import fc from 'fast-check';
import { checkPatch, type Check } from '../../src/config/check';
import type { JsonObject } from '../../src/config/json';
import { patchedFile, publishedFile } from '../simulator/configuration';
import { codes, parse } from './recordings';

const FILE = JSON.stringify({
  name: 'Lamp',
  wifi: { ssid: 'net', password: 'secretpw' },
  mqtt: { host: 'broker' },
  settings: { percentage: 42 },
});

function check(patch: JsonObject, unconfirmed: readonly JsonObject[], config = FILE): Check {
  return checkPatch({ config: publishedFile(config), patch, unconfirmed, secretBytes: 8 });
}

describe('a patch after one of which it is not known whether the device took it', () => {
  it('is checked against the file with and without that one', () => {
    const { verdict, steps } = check({ settings: { percentage: 50 } }, [{ settings: { percentage: 101 } }]);
    assert.equal(verdict, 'unknown');
    assert.deepEqual(
      steps.map((step) => step.text()),
      ['{"settings":{"percentage":50}}'],
    );
  });

  it('is refused if the device would refuse it with that one only', () => {
    const ten = Object.fromEntries(Array.from({ length: 9 }, (_, n) => [`s${n}`, n]));
    assert.deepEqual(codes(check({ settings: { fresh: 1 } }, [])), []);
    assert.deepEqual(codes(check({ settings: { fresh: 1 } }, [{ settings: ten }])), ['CONFIG_RULE']);
  });

  it('is sent where it only takes back what may have been set', () => {
    const back = { settings: { percentage: 42 } };
    assert.equal(check(back, []).verdict, 'no_change');
    assert.equal(check(back, [{ settings: { percentage: 101 } }]).verdict, 'unknown');
    assert.equal(check({ name: 'Lamp' }, [{ settings: { percentage: 101 } }]).verdict, 'no_change');
  });

  it('has an end for each of the files that the device may have', () => {
    const setting = fc.record(
      { percentage: fc.integer({ min: 0, max: 200 }), other: fc.integer() },
      { requiredKeys: [] },
    );
    fc.assert(
      fc.property(fc.array(setting, { maxLength: 2 }), setting, (earlier, last) => {
        const unconfirmed = earlier.map((settings) => ({ settings }));
        const [step] = check({ settings: last }, unconfirmed).steps;
        if (step === undefined) return;
        // The device takes or refuses each, as the validator of its sketch says.
        const now = unconfirmed.reduce((file, patch) => patchedFile(file, JSON.stringify(patch)) ?? file, FILE);
        const after = patchedFile(now, step.text());
        if (after === undefined) return;
        const published = parse(publishedFile(after));
        const ends = step.ways().map((way) => JSON.stringify(way.expected()));
        assert.ok(
          ends.some((end) => JSON.stringify(published) === end),
          ends.join(),
        );
      }),
    );
  });
});
