import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { cpSync, readdirSync } from 'node:fs';
import { mkdtemp, readdir, readFile, rm, stat, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { Firmware } from '../../../src/firmware/firmware';
import type { Library } from '../../../src/library/library';
import type { JobHead } from '../../../src/rollout/store/job-file';
import { JobStore } from '../../../src/rollout/store/job-store';
import { Disk } from '../../support/disk';
import { buildEsp8266Image } from '../../support/images';

const scope = 'broker/homie/';
const lamp = `${scope}lamp`;

/** What is stored of a job that has not ended. */
const state = {
  startedAt: new Date().toISOString(),
  elapsed: 1,
  admitted: true,
  idle: 'no',
  plan: { mode: 'active', proven: 0, failures: 0, soaking: [] },
};

describe('the stored library', () => {
  let parent: string;
  let folder: string;
  let told: string[];
  let disk: Disk | undefined;
  let first: Firmware;
  let second: Firmware;
  let third: Firmware;
  const opened: JobStore[] = [];

  before(async () => {
    const build = (minor: number): Promise<Firmware> =>
      Firmware.from(buildEsp8266Image({ name: 'my-light', version: `1.${minor}.0`, size: 8_192, seed: minor }));
    [first, second, third] = [await build(1), await build(2), await build(3)];
  });
  beforeEach(async () => {
    parent = await mkdtemp(path.join(tmpdir(), 'library-'));
    folder = path.join(parent, 'homie-ota');
    told = [];
  });
  afterEach(async () => {
    disk?.remove();
    disk = undefined;
    await closeAll();
    await rm(parent, { recursive: true, force: true });
  });

  const closeAll = async (): Promise<void> => {
    await Promise.all(opened.splice(0).map((store) => store.close()));
  };
  const open = async (where = folder): Promise<JobStore> => {
    const store = new JobStore(where, ({ code }) => told.push(code));
    opened.push(store);
    assert.ok(await store.open());
    return store;
  };
  const reopen = async (where = folder): Promise<Library> => {
    await closeAll();
    return (await open(where)).library;
  };
  const prove = (library: Library, firmware: Firmware, isRollback = false): Promise<void> =>
    library.proven(lamp, { md5: firmware.info.md5, load: async () => firmware, isRollback });
  const images = (): string[] => readFirmware(folder);
  const filesOf = (...all: readonly Firmware[]): string[] => all.map(({ info }) => `${info.md5}.bin`).sort();
  const offered = (library: Library): (string | undefined)[] => library.offers(scope).map(({ version }) => version);
  const previous = (library: Library, { info }: Firmware): string | undefined => {
    const checksum = { value: info.md5, live: true, at: 0 };
    const choice = library.choose('previous', scope, { id: 'lamp', checksum });
    return 'image' in choice ? choice.image.version : choice.error.code;
  };
  const headOf = ({ info }: Firmware): JobHead => ({ node: 'n', scope, keep: 1e12, work: {}, firmware: info.md5 });

  it('has its offers and the way back of each device after a restart, and reads each image whole', async () => {
    const { library } = await open();
    await prove(library, first);
    await prove(library, second);
    await library.offer(scope, third);
    const again = await reopen();
    assert.deepEqual([offered(again), previous(again, second)], [['1.3.0'], '1.1.0']);
    for (const each of [first, second, third]) {
      assert.deepEqual((await again.read(each.info.md5)).image, each.image);
    }
    await prove(again, first, true);
    assert.equal((await reopen()).isHeld(lamp, second.info.md5), true);
    assert.deepEqual(told, []);
  });

  it('is readable by its owner only', async () => {
    const { library } = await open();
    await library.offer(scope, first);
    const modeOf = async (...names: string[]): Promise<string> =>
      ((await stat(path.join(folder, ...names))).mode & 0o777).toString(8);
    assert.deepEqual([await modeOf('.'), await modeOf('firmware')], ['700', '700']);
    assert.deepEqual([await modeOf('library.jsonl'), await modeOf('firmware', ...images())], ['600', '600']);
  });

  it('removes the file of an image that neither an offer nor a device nor a job needs', async () => {
    const store = await open();
    const { library } = store;
    await library.offer(scope, first);
    const job = store.begin(randomUUID(), headOf(first), first.image);
    await job.note('begun', 1);
    await library.offer(scope, second);
    assert.deepEqual(images(), filesOf(first, second));
    await job.remove();
    assert.deepEqual(images(), filesOf(second));
    await library.withdraw(scope, second.info.md5);
    assert.deepEqual(images(), []);
  });

  it('removes what a killed process left, but not the image of a job', async () => {
    const store = await open();
    const id = randomUUID();
    await store.begin(id, headOf(first), first.image).note('begun', 1);
    for (const each of [first, second, third]) await store.library.offer(scope, each);
    await closeAll();
    await writeFile(path.join(folder, 'jobs', `${id}.jsonl`), `${JSON.stringify(['job', state])}\n`, { flag: 'a' });
    // Images that nothing refers to.
    const lines = [first, second, third].map(({ info: { md5, name = '', chip, family, size, version = '' } }) =>
      JSON.stringify([`image ${md5}`, { md5, name, chip, family, size, version, alternatives: [] }]),
    );
    await writeFile(path.join(folder, 'library.jsonl'), ['{"version":2}', ...lines, ''].join('\n'));
    for (const each of [first, second])
      await writeFile(path.join(folder, 'firmware', filesOf(each)[0] ?? ''), each.image);
    await reopen();
    await closeAll();
    assert.deepEqual(images(), filesOf(first));
  });

  it('goes on where lines of its file are damaged, and keeps a copy', async () => {
    const { library } = await open();
    await library.offer(scope, first);
    await prove(library, second);
    await closeAll();
    const file = path.join(folder, 'library.jsonl');
    await writeFile(file, '["offer x",{\n\u0000\n', { flag: 'a' });
    const again = await reopen();
    assert.deepEqual([offered(again), told], [['1.1.0'], ['JOB_FILE_DAMAGED']]);
    assert.ok((await readdir(folder)).includes('library.jsonl.damaged'));
  });

  for (const where of ['image', 'description of the image', 'offer'] as const) {
    it(`gives one clear error when the disk has no room for the ${where}; the earlier offer stays`, async () => {
      const { library } = await open();
      await library.offer(scope, first);
      const lines = (await readFile(path.join(folder, 'library.jsonl'), 'utf8')).split('\n');
      const known = lines.find((line) => line.startsWith('["image'))?.length ?? 0;
      const full = await reopen();
      disk = new Disk(folder);
      disk.free = { image: 4_000, 'description of the image': 8_192 + 100, offer: 8_192 + known + 50 }[where];
      await assert.rejects(full.offer(scope, second), ({ code, message }: { code: string; message: string }) => {
        assert.equal(code, 'JOB_NOT_SAVED');
        assert.match(message, /cannot be written \(ENOSPC\)/);
        return true;
      });
      assert.deepEqual([offered(full), images()], [['1.1.0'], filesOf(first)]);
      assert.ok(told.length <= 1, 'the log has it once at most');
      disk.remove();
      const again = await reopen();
      assert.deepEqual([offered(again), images()], [['1.1.0'], filesOf(first)]);
      await again.offer(scope, second);
      assert.deepEqual(offered(await reopen()), ['1.2.0']);
    });
  }

  it('has whole offers at whatever moment the process is killed', async () => {
    interface Moment {
      readonly folder: string;
      readonly during: string;
      /** The versions that may be on offer. */
      readonly may: readonly (string | undefined)[];
    }
    const moments: Moment[] = [];
    const { library } = await open();
    disk = new Disk(folder);
    const watch = async (during: string, may: Moment['may'], work: () => Promise<unknown>): Promise<void> => {
      const look = (): void => {
        const copy = path.join(parent, `killed-${moments.length}`);
        cpSync(folder, copy, { recursive: true, filter: (file) => !/owner\.\d+\.json/.test(file) });
        moments.push({ folder: copy, during, may });
      };
      if (disk !== undefined) disk.beforeChange = look;
      await work();
      look();
    };
    await watch('the first offer', [undefined, '1.1.0'], () => library.offer(scope, first));
    await watch('a better offer', ['1.1.0', '1.2.0'], () => library.offer(scope, second));
    await watch('a lower one in its place', ['1.2.0', '1.1.0'], () => library.offer(scope, first, true));
    await watch('two offers', ['1.1.0', '1.2.0', '1.3.0'], () =>
      Promise.all([second, third].map((each) => library.offer(scope, each))),
    );
    await watch('proofs', ['1.3.0'], async () => {
      for (const each of [first, second]) await prove(library, each);
    });
    await watch('a rollback', ['1.3.0'], () => prove(library, first, true));
    await watch('a withdrawal', ['1.3.0', undefined], () => library.withdraw(scope, third.info.md5));
    disk.remove();
    assert.ok(moments.length > 60, `${moments.length} moments`);

    const old = new Date(Date.now() - 8 * 24 * 3_600_000);
    for (const { folder: killed, during, may } of moments) {
      const again = await reopen(killed);
      const offers = again.offers(scope);
      assert.ok(offers.length <= 1 && may.includes(offers[0]?.version), `${offers[0]?.version} in ${during}`);
      for (const { md5 } of offers) assert.equal((await again.read(md5)).info.md5, md5);
      const back = previous(again, second);
      if (again.isHeld(lamp, second.info.md5)) assert.equal(back, '1.1.0');
      // What the process had only begun to write is removed after a week.
      await closeAll();
      for (const name of readFirmware(killed)) await utimes(path.join(killed, 'firmware', name), old, old);
      const needed = await reopen(killed);
      await closeAll();
      const all = [first, second, third].filter(({ info }) => needed.needs(info.md5));
      assert.deepEqual(readFirmware(killed), filesOf(...all), during);
    }
    assert.deepEqual(told, []);
  });
});

/** Returns the files in the folder of the images, if it was there when the process was killed. */
function readFirmware(folder: string): string[] {
  return readdirSync(folder).includes('firmware') ? readdirSync(path.join(folder, 'firmware')).sort() : [];
}
