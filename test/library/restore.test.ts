import assert from 'node:assert/strict';
import { buildEsp8266Image } from '../support/images';
import { Firmware } from '../../src/firmware/firmware';
import { deviceOf, home, imageOf, LibraryLab } from './lab';

const [plug, light, earlier] = [
  imageOf({ name: 'my-plug' }),
  imageOf({ version: '2.0.0' }),
  imageOf({ version: '1.0.0' }),
];
const device = deviceOf('light', { fwName: 'my-light', implementation: 'esp8266', checksum: light.info.md5 });

describe('a library that is opened again', () => {
  let lab: LibraryLab;

  beforeEach(async () => {
    lab = new LibraryLab();
    for (const image of [plug, light]) await lab.library.offer(home, image);
    for (const image of [earlier, light]) await lab.prove('light', image);
  });

  const lines = (prefix: string): string[] => [...lab.stored.keys()].filter((key) => key.startsWith(prefix));
  const names = (): string[] => lab.library.offers(home).map(({ name }) => name);

  it('knows what was on offer, what runs, and the way back', async () => {
    const before = new Map(lab.stored);
    await lab.restart();
    assert.deepEqual(names(), ['my-plug', 'my-light']);
    assert.equal(lab.choice('offer', device), light.info.md5);
    assert.equal(lab.choice('previous', device), earlier.info.md5);
    assert.equal(lab.library.knowsRunning(home, device), true);
    assert.deepEqual(lab.stored, before);
  });

  const nonsense = ['null', '1', '"text"', '[]', '{}', '{"md5":"x"}'];
  for (const [what, key, left] of [
    ['an offer', `offer ${light.info.md5} ${home}`, ['my-plug']],
    ['an image on offer', `image ${light.info.md5}`, ['my-plug']],
    ['a device', `device ${home}light`, ['my-plug', 'my-light']],
  ] as const) {
    it(`leaves out ${what} whose entry is damaged, and goes on with the others`, async () => {
      assert.ok(lab.stored.has(key));
      for (const value of nonsense) {
        lab.stored.set(key, value);
        await lab.restart();
        assert.deepEqual(names(), left, value);
      }
      await lab.library.offer(home, light);
      await lab.restart();
      assert.deepEqual(names(), ['my-plug', 'my-light']);
    });
  }

  it('leaves out entries under another key, of unknown kinds, and with impossible sizes', async () => {
    const [image = '', offer = ''] = ['image', 'offer'].map((kind) => `${kind} ${light.info.md5}`);
    const stored = lab.stored.get(image) ?? '';
    lab.stored.set(`image ${'a'.repeat(32)}`, stored);
    lab.stored.set(`${offer} elsewhere/`, lab.stored.get(`${offer} ${home}`) ?? '');
    lab.stored.set('something else', '1');
    await lab.restart();
    assert.deepEqual([names(), lab.library.offers('elsewhere/')], [['my-plug', 'my-light'], []]);
    for (const size of [-1, 0, 1.5, 1e300, 'large']) {
      lab.stored.set(image, JSON.stringify({ ...JSON.parse(stored), size }));
      await lab.restart();
      assert.equal(lab.library.needs(light.info.md5), false);
    }
  });

  it('has no way back to an image that is not there, and does not find one later', async () => {
    lab.stored.delete(`image ${earlier.info.md5}`);
    await lab.restart();
    assert.equal(lab.choice('previous', device), 'NOTHING_TO_GO_BACK_TO.first');
    await lab.library.offer(home, earlier, true);
    await lab.restart();
    assert.equal(lab.choice('previous', device), 'NOTHING_TO_GO_BACK_TO.first');
  });

  it('removes an image that was kept, but not put on offer, when the process was killed', async () => {
    const next = imageOf({ version: '3.0.0' });
    await lab.library.offer(home, next);
    lab.stored.delete(`offer ${next.info.md5} ${home}`);
    await lab.restart();
    assert.equal(lab.library.needs(next.info.md5), false);
    assert.equal(lab.files.has(next.info.md5), false);
    assert.deepEqual(lines('image').length, 3);
  });

  it('offers the newer of two when the process was killed before it removed the older one', async () => {
    const key = `offer ${light.info.md5} ${home}`;
    const older = lab.stored.get(key) ?? '';
    const next = imageOf({ version: '3.0.0' });
    const entries = [...lab.stored];
    await lab.library.offer(home, next);
    const after = [...lab.stored];
    lab.stored.clear();
    for (const [name, value] of [...entries, ...after]) lab.stored.set(name, value);
    assert.equal(lab.stored.get(key), older);
    await lab.restart();
    assert.equal(lab.choice('offer', device), next.info.md5);
    assert.equal(lab.stored.has(key), false);
  });

  it('reports an image whose file is missing or damaged when it is read, and reads the others', async () => {
    const [one, other] = await Promise.all(
      ['a', 'b'].map((name) => Firmware.from(buildEsp8266Image({ name, version: '1.0.0' }))),
    );
    assert.ok(one !== undefined && other !== undefined);
    for (const each of [one, other]) await lab.library.offer(home, each);
    for (const damage of [
      () => lab.files.set(one.info.md5, Buffer.from('damaged')),
      () => lab.files.delete(one.info.md5),
    ]) {
      damage();
      await lab.restart();
      await assert.rejects(lab.library.read(one.info.md5), { code: 'FIRMWARE_NOT_KEPT' });
      assert.deepEqual((await lab.library.read(other.info.md5)).image, other.image);
    }
    await lab.library.offer(home, one);
    assert.deepEqual((await lab.library.read(one.info.md5)).image, one.image);
  });
});
