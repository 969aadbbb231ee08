import assert from 'node:assert/strict';
import fc from 'fast-check';
import semver from 'semver';
import { functionOf } from './examples-stage';

const choose = functionOf('2 - Nightly update of all devices', 'highest version', 'msg');

/** Returns the version that is chosen from several images with one name; undefined if none is chosen. */
function highest(...versions: (string | undefined)[]): unknown {
  const images = versions.map((version, index) => ({
    file: `${index}.bin`,
    to: { name: 'my-light', version, checksum: `${index}` },
  }));
  const [chosen = [], told]: { filename: string }[][] = [choose({ payload: images })].flatMap((each) => Object(each));
  assert.equal(chosen.length, told === null ? 1 : 0);
  const [file] = chosen;
  return file === undefined ? undefined : versions[Number.parseInt(file.filename, 10)];
}

describe('the highest version of the example Nightly update of all devices', () => {
  it('is that of semver', () => {
    const order = ['1.0.0-alpha', '1.0.0-alpha.1', '1.0.0-alpha.beta', '1.0.0-beta', '1.0.0-beta.2', '1.0.0-beta.11'];
    order.push('1.0.0-rc.1', '1.0.0', '1.9.0', '1.10.0', 'v1.10.1', '2.0.0+build.7');
    for (const [index, low] of order.entries()) {
      for (const high of order.slice(index + 1)) {
        assert.equal(highest(low, high), high);
        assert.equal(highest(high, low), high);
      }
    }
    assert.equal(highest(...order), '2.0.0+build.7');
  });

  it('is not told where semver tells none', () => {
    for (const other of [
      '1.0',
      'final',
      '1.2.3.4',
      '01.2.3',
      '1.0.0-01',
      '',
      undefined,
      '1.0.0 ',
      '1.0.0',
      'v1.0.0',
      '1.0.0+7',
    ]) {
      assert.equal(highest('1.0.0', other), undefined, String(other));
    }
  });

  it('of one image alone is that image, whatever its version', () => {
    assert.equal(highest('final'), 'final');
    assert.equal(highest(undefined), undefined);
  });

  it('is chosen for every name, also for one that every object has', () => {
    const names = ['__proto__', 'constructor', 'toString', 'my-light'];
    const images = names.map((name, index) => ({
      file: `${index}.bin`,
      to: { name, version: '1.0.0', checksum: `${index}` },
    }));
    const [chosen, told]: unknown[] = Object(choose({ payload: images }));
    assert.deepEqual(
      Object(chosen).map(({ filename }: { filename: string }) => filename),
      ['0.bin', '1.bin', '2.bin', '3.bin'],
    );
    assert.equal(told, null);
  });

  it('is what semver says, of any versions', () => {
    const number = fc.nat({ max: 12 }).map(String);
    const part = fc.oneof(number, fc.constantFrom('alpha', 'beta', 'rc', 'A', '-', '0a'));
    const pre = fc.array(part, { maxLength: 3 }).map((parts) => (parts.length === 0 ? '' : `-${parts.join('.')}`));
    const version = fc.tuple(number, number, number, pre).map(([a, b, c, d]) => `${a}.${b}.${c}${d}`);
    fc.assert(
      fc.property(version, version, (a, b) => {
        const order = semver.compare(a, b);
        assert.equal(highest(a, b), order === 0 ? undefined : order > 0 ? a : b);
      }),
      { numRuns: 1000 },
    );
  });
});
