import assert from 'node:assert/strict';
import type { Device } from '../../src/homie/device';
import type { Image } from '../../src/ota/image';
import { deviceOf, home, imageOf, LibraryLab } from './lab';

const key = `${home}light`;
const reported = 'e'.repeat(32);
const foreign = 'f'.repeat(32);

describe('the images of a device', () => {
  let lab: LibraryLab;
  const first = imageOf({ version: '1.1.0' });
  const second = imageOf({ version: '1.2.0' });
  const third = imageOf({ version: '1.3.0' });

  beforeEach(() => (lab = new LibraryLab()));

  const running = (checksum: string): Device =>
    deviceOf('light', { fwName: 'my-light', implementation: 'esp8266', checksum });
  const previous = (checksum: string): string => lab.choice('previous', running(checksum));
  const kept = (): string[] => [...lab.files.keys()].sort();
  const sums = (...images: readonly Image[]): string[] => images.map(({ info }) => info.md5).sort();
  /** Rolls the device back, as a job does. */
  const rollBack = (to: Image, from: string): Promise<void> => lab.prove('light', to, { isRollback: true, from });

  it('are the one that was verified now and the one before, and no other', async () => {
    assert.equal(previous(foreign), 'NOTHING_TO_GO_BACK_TO.unknown');
    await lab.prove('light', first);
    assert.equal(previous(first.info.md5), 'NOTHING_TO_GO_BACK_TO.first');
    await lab.prove('light', second);
    assert.equal(previous(second.info.md5), first.info.md5);
    await lab.prove('light', third);
    assert.equal(previous(third.info.md5), second.info.md5);
    assert.deepEqual(kept(), sums(second, third));
  });

  it('do not change when the same image is verified again', async () => {
    for (const image of [first, second, second]) await lab.prove('light', image);
    assert.equal(previous(second.info.md5), first.info.md5);
  });

  it('lead back to the image that was verified last where the device runs another one', async () => {
    for (const image of [first, second]) await lab.prove('light', image);
    assert.equal(previous(foreign), second.info.md5);
    assert.equal(lab.library.knowsRunning(home, running(foreign)), false);
    assert.equal(lab.library.knowsRunning(home, running(second.info.md5)), true);
  });

  it('include what the device reports for an image instead of its MD5', async () => {
    await lab.prove('light', first);
    await lab.prove('light', second, { reported });
    assert.equal(previous(reported), first.info.md5);
    const other = imageOf({ seed: 9, alternatives: ['d'.repeat(32)] });
    await lab.prove('light', other);
    assert.equal(previous('d'.repeat(32)), second.info.md5);
  });

  it('do not lead back again after a rollback, which holds back what ran until then', async () => {
    for (const image of [first, second]) await lab.prove('light', image, { reported });
    await rollBack(first, reported);
    assert.equal(previous(first.info.md5), 'NOTHING_TO_GO_BACK_TO.first');
    const held = [first.info.md5, second.info.md5, reported].map((md5) => lab.library.isHeld(key, md5));
    assert.deepEqual(held, [false, true, true]);
    assert.equal(lab.library.isHeld(`${home}other`, second.info.md5), false);
    assert.deepEqual(kept(), sums(first));
  });

  for (const [how, lift] of [
    ['the user allows it', () => lab.library.allowAgain(key, second.info.md5)],
    ['it is verified on the device', () => lab.prove('light', second)],
    ['the device is forgotten', () => lab.library.forget(key)],
  ] as const) {
    it(`hold an image back, over restarts, until ${how}`, async () => {
      for (const image of [first, second]) await lab.prove('light', image);
      await rollBack(first, second.info.md5);
      await lab.prove('light', third);
      await lab.restart();
      assert.equal(lab.library.isHeld(key, second.info.md5), true);
      await lift();
      assert.equal(lab.library.isHeld(key, second.info.md5), false);
      await lab.restart();
      assert.equal(lab.library.isHeld(key, second.info.md5), false);
    });
  }

  it('hold an image back under another host of the broker', async () => {
    for (const image of [first, second]) await lab.prove('light', image);
    await rollBack(first, second.info.md5);
    const library = await lab.restart();
    const renamed = (id: string): string => `192.168.1.5/homie/${id}`;
    await library.proven(renamed('plug'), { md5: third.info.md5, load: async () => third, isRollback: false });
    const isHeld = (): boolean[] => ['light', 'plug'].map((id) => library.isHeld(renamed(id), second.info.md5));
    assert.deepEqual(isHeld(), [true, false]);
    await library.allowAgain(renamed('light'), second.info.md5);
    assert.deepEqual(isHeld(), [false, false]);
    assert.equal(library.isHeld(key, second.info.md5), false);
  });

  it('hold back at most 20 images, the latest ones', async () => {
    await lab.prove('light', first);
    const all = Array.from({ length: 25 }, (_none, index) => index.toString(16).padStart(32, '0'));
    for (const from of all) await rollBack(first, from);
    assert.deepEqual(
      all.filter((md5) => lab.library.isHeld(key, md5)),
      all.slice(5),
    );
  });

  it('go when the device is forgotten, unless another device or an offer needs them', async () => {
    await lab.library.offer(home, first);
    for (const image of [first, second]) await lab.prove('light', image);
    for (const image of [second, third]) await lab.prove('other', image);
    await lab.library.forget(key);
    await lab.settled();
    assert.deepEqual(kept(), sums(first, second, third));
    assert.equal(previous(second.info.md5), 'NOTHING_TO_GO_BACK_TO.unknown');
    await lab.library.forget(`${home}other`);
    await lab.settled();
    assert.deepEqual(kept(), sums(first));
    assert.deepEqual(
      [...lab.stored.keys()].filter((each) => each.startsWith('device')),
      [],
    );
  });

  it('leave out an image without a firmware name, since it cannot be sent back', async () => {
    await lab.prove('light', imageOf({ name: undefined }));
    assert.deepEqual([kept(), lab.told], [[], []]);
    assert.equal(previous(foreign), 'NOTHING_TO_GO_BACK_TO.unknown');
  });

  it('stay as they are when the image cannot be stored, which is reported', async () => {
    await lab.prove('light', first);
    lab.failing = 'file';
    await lab.prove('light', second);
    assert.deepEqual([lab.told, kept()], [['JOB_NOT_SAVED'], sums(first)]);
    assert.equal(previous(second.info.md5), first.info.md5);
  });

  it('hold back what the device was rolled back from, even when the earlier image cannot be stored again', async () => {
    await lab.prove('light', second);
    lab.failing = 'file';
    await rollBack(first, second.info.md5);
    assert.deepEqual(lab.told, ['JOB_NOT_SAVED']);
    assert.equal(lab.library.isHeld(key, second.info.md5), true);
    assert.match(previous(first.info.md5), /NOTHING_TO_GO_BACK_TO/);
  });
});
