import assert from 'node:assert/strict';
import type { Image } from '../../src/ota/image';
import { deviceOf, home, imageOf, LibraryLab } from './lab';

const SIZE = 100;

describe('the room of the library, when it is full,', () => {
  let lab: LibraryLab;

  /** The library holds four images. */
  beforeEach(() => (lab = new LibraryLab(4 * SIZE)));

  /** Each has a name of its own, so that none takes the place of another. */
  const image = (name: string, size = SIZE): Image => imageOf({ name, size });
  const offer = (name: string, size?: number): Promise<unknown> => lab.library.offer(home, image(name, size));
  /** Returns which of the images a to h are on the disk, in memory and in the records: the same, always. */
  const kept = (): string => {
    const all = ['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h'].map((name) => ({ name, ...image(name).info }));
    const held = all.filter(({ md5 }) => lab.files.has(md5));
    for (const { md5 } of all) {
      assert.equal(lab.library.needs(md5), lab.files.has(md5));
      assert.equal(lab.stored.has(`image ${md5}`), lab.files.has(md5));
    }
    return held.map(({ name }) => name).join('');
  };

  it('takes the oldest image that nobody runs first', async () => {
    for (const name of ['a', 'b', 'c']) await lab.prove('one', image(name));
    await lab.prove('two', image('d'));
    await lab.prove('two', image('e'));
    assert.equal(kept(), 'bcde');
    // One runs c, two runs e.
    await offer('f');
    assert.equal(kept(), 'cdef');
    await offer('g');
    assert.equal(kept(), 'cefg');
  });

  it('then takes the oldest that a device runs, and the device forgets it', async () => {
    for (const name of ['a', 'b', 'c']) await lab.prove(`runs-${name}`, image(name));
    await offer('d');
    await offer('e');
    assert.equal(kept(), 'bcde');
    const device = deviceOf('runs-a', { fwName: 'a', checksum: image('a').info.md5 });
    assert.equal(lab.library.knowsRunning(home, device), false);
    assert.equal(lab.choice('previous', device), 'NOTHING_TO_GO_BACK_TO.unknown');
    await lab.restart();
    assert.equal(kept(), 'bcde');
  });

  it('keeps what is on offer although it is the oldest and nobody runs it', async () => {
    await offer('a');
    for (const name of ['b', 'c', 'd']) await lab.prove(`runs-${name}`, image(name));
    await lab.prove('late', image('e'));
    assert.equal(kept(), 'acde');
  });

  it('refuses an offer for which other offers would have to go, and removes nothing', async () => {
    for (const name of ['a', 'b', 'c']) await offer(name);
    await lab.prove('one', image('d'));
    await assert.rejects(offer('e', 2 * SIZE), { code: 'LIBRARY_FULL' });
    assert.equal(kept(), 'abcd');
    await offer('e');
    assert.equal(kept(), 'abce');
    await assert.rejects(offer('f'), { code: 'LIBRARY_FULL' });
    await lab.library.withdraw(home, image('b').info.md5);
    await offer('f');
    assert.equal(kept(), 'acef');
  });

  it('keeps no image of a device beside offers that fill it, which is reported', async () => {
    for (const name of ['a', 'b', 'c', 'd']) await offer(name);
    await lab.prove('one', image('e'));
    assert.deepEqual([kept(), lab.told], ['abcd', ['LIBRARY_FULL']]);
  });

  it('takes as many as a large image needs', async () => {
    for (const name of ['a', 'b', 'c', 'd']) await lab.prove(`runs-${name}`, image(name));
    await offer('large', 3 * SIZE);
    assert.equal(kept(), 'd');
  });
});
