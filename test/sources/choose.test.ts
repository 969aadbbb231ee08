import assert from 'node:assert/strict';
import { compareVersions } from '../../src/firmware/version';
import { choose } from '../../src/sources/choose';
import type { Candidate } from '../../src/sources/source';

/** A candidate; images with the same letter are the same. */
function image(md5: string, version: string | undefined, day = 1, more: object = {}): Candidate {
  return {
    info: {
      chip: 'esp8266',
      family: 'esp8266',
      size: 1,
      end: 1,
      md5,
      flashMode: 'DIO',
      flashSize: undefined,
      homie: true,
      name: 'my-light',
      ...(version !== undefined && { version }),
      ...more,
    },
    filename: `${md5}.bin`,
    source: `/firmware/${md5}.bin`,
    publishedAt: day === 0 ? undefined : new Date(Date.UTC(2026, 10, day)),
    read: () => Promise.reject(new Error('not read here')),
  };
}

/** What was chosen and refused, in short. */
function short(candidates: readonly Candidate[]): { chosen: string[]; refused: string[] } {
  const { chosen, refused } = choose(candidates);
  return {
    chosen: chosen.map(({ candidate, reason, of }) => `${candidate.info.md5} ${reason} of ${of}`),
    refused: refused.map(({ filename, error }) => `${filename} ${error.key}`),
  };
}

describe('the order of versions', () => {
  for (const [lower, higher] of [
    ['1.2.3', '1.2.10'],
    ['1.2', '1.10'],
    ['1.2', '1.2.1'],
    ['v1.2.3', '1.3.0'],
    ['1.3.0-rc.1', '1.3.0'],
    ['1.3-rc.1', '1.3'],
    ['0.9', '1.0.0'],
  ] as const) {
    it(`has ${lower} before ${higher}`, () => {
      assert.ok(Number(compareVersions(lower, higher)) < 0);
      assert.ok(Number(compareVersions(higher, lower)) > 0);
    });
  }

  it('has equal versions', () => {
    for (const [one, other] of [
      ['1.2', '1.2.0'],
      ['v1.2.3', '1.2.3'],
      ['nightly', 'nightly'],
      ['1.0.0+a', '1.0.0+b'],
    ]) {
      assert.equal(compareVersions(one, other), 0);
    }
  });

  it('says nothing of other texts', () => {
    for (const [one, other] of [
      ['nightly', '1.0.0'],
      ['2026-11-01', '2026-11-02'],
      ['1', '2'],
      ['1.2.3.4', '1.2.3'],
      ['', '1.0.0'],
      [undefined, '1.0.0'],
      [undefined, undefined],
    ]) {
      assert.equal(compareVersions(one, other), undefined);
    }
  });
});

describe('the choice of images', () => {
  it('takes the highest version, whatever the time', () => {
    const all = [image('a', '1.2', 9), image('b', '1.10.0', 1), image('c', '1.9.9', 5)];
    assert.deepEqual(short(all), { chosen: ['b newest of 3'], refused: [] });
  });

  it('takes the later one of equal versions', () => {
    const all = [image('a', '1.2', 3), image('b', '1.2.0', 5), image('c', '1.2.0', 4), image('d', '1.0.0', 9)];
    assert.deepEqual(short(all), { chosen: ['b latest of 4'], refused: [] });
    assert.deepEqual(short([image('a', 'nightly', 3), image('b', 'nightly', 5)]).chosen, ['b latest of 2']);
  });

  it('takes a lone image whatever its version, also if it is there twice', () => {
    assert.deepEqual(short([image('a', undefined)]), { chosen: ['a only of 1'], refused: [] });
    const twice = choose([image('a', 'x', 1), image('a', 'x', 2)]).chosen;
    assert.deepEqual(
      twice.map(({ reason, candidate }) => [reason, candidate.publishedAt?.getUTCDate()]),
      [['only', 2]],
    );
  });

  it('chooses for each name and chip on its own', () => {
    const esp32 = { chip: 'esp32', family: 'esp32' };
    const all = [image('a', '1.0.0'), image('b', '2.0.0', 1, esp32), image('c', '1.0.0', 1, { name: 'my-pump' })];
    assert.deepEqual(short(all), { chosen: ['b only of 1', 'a only of 1', 'c only of 1'], refused: [] });
  });

  it('guesses nothing where versions cannot be compared, and leaves other firmware alone', () => {
    const all = [image('a', '1.0.0'), image('b', 'nightly'), image('c', '1.0.0', 1, { name: 'my-pump' })];
    assert.deepEqual(short(all), {
      chosen: ['c only of 1'],
      refused: ['a.bin VERSION_UNCLEAR.versions', 'b.bin VERSION_UNCLEAR.versions'],
    });
    const [first] = choose([image('a', '1.0.0'), image('b', undefined)]).refused;
    assert.match(first?.error.message ?? '', /my-light for esp8266 cannot be compared: 1\.0\.0, no version\./);
  });

  it('names four versions that cannot be compared, and counts the others', () => {
    const all = ['1.0.0', '1.1.0', '1.2.0', '1.3.0', '1.4.0', 'nightly'].map((version, i) => image(`${i}`, version));
    const [first] = choose(all).refused;
    assert.match(first?.error.message ?? '', /: 1\.0\.0, 1\.1\.0, 1\.2\.0, 1\.3\.0 and 2 more\.$/);
  });

  it('guesses nothing where version and time are the same, or no time is known', () => {
    for (const day of [3, 0]) {
      assert.deepEqual(short([image('a', '1.0.0', day), image('b', '1.0.0', day), image('c', '0.9.0', day)]), {
        chosen: [],
        refused: ['a.bin', 'b.bin', 'c.bin'].map((name) => `${name} VERSION_UNCLEAR.same`),
      });
    }
  });

  it('refuses an image without a name', () => {
    const nameless = image('a', '1.0.0', 1, { name: undefined });
    assert.deepEqual(short([nameless, image('b', '1.0.0')]), {
      chosen: ['b only of 1'],
      refused: ['a.bin NOT_HOMIE.nameless'],
    });
  });
});
