import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { lstat, mkdir, mkdtemp, readdir, readFile, rm, stat, symlink, truncate, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import fc from 'fast-check';
import type { HomieError } from '../../src/errors';
import { md5 } from '../../src/firmware/checksum';
import { JobStore } from '../../src/rollout/store/job-store';
import { hostileNames } from './hostile';
import { device, head, job, lines, rest } from './hostile-jobs';
import { anyText } from '../support/any-text';

describe('The folder of the jobs, with whatever somebody has put there,', () => {
  let folder: string;
  let jobs: string;
  let outside: string;
  let told: HomieError[];

  beforeEach(async () => {
    folder = await mkdtemp(path.join(os.tmpdir(), 'homie-ota-attack-'));
    jobs = path.join(folder, 'homie-ota', 'jobs');
    outside = path.join(folder, 'outside');
    told = [];
    await mkdir(jobs, { recursive: true });
    await writeFile(outside, job(device('lamp')), { mode: 0o644 });
  });
  afterEach(() => rm(folder, { recursive: true, force: true }));

  /** Left open when its folder is deleted, a store would forbid everything to the tests after it. */
  const withStore = async <T>(use: (store: JobStore) => Promise<T>): Promise<T> => {
    const store = new JobStore(path.join(folder, 'homie-ota'), (error) => told.push(error));
    try {
      return await use(store);
    } finally {
      await store.close();
    }
  };
  const jobsOf = (node: string): ReturnType<JobStore['jobsOf']> => withStore((store) => store.jobsOf(node));
  const place = async (content: string, id: string = randomUUID()): Promise<string> => {
    await writeFile(path.join(jobs, `${id}.jsonl`), content);
    return id;
  };

  it('reads a job or sets it aside, and nothing else, whatever the lines are', async () => {
    const key = fc.oneof(fc.constantFrom('head', 'job', 'device lamp', 'note x', '__proto__'), fc.string());
    const value = fc.oneof(fc.jsonValue({ maxDepth: 3 }), fc.constantFrom(head, rest, { entry: {} }));
    const change = fc.oneof(fc.tuple(key, value), fc.tuple(key), fc.jsonValue(), anyText());
    await fc.assert(
      fc.asyncProperty(fc.array(change, { maxLength: 5 }), fc.boolean(), async (changes, whole) => {
        const id = await place(whole ? job(...changes) : lines(...changes));
        const found = await jobsOf('ota');
        const [name] = await readdir(jobs);
        assert.ok(name === `${id}.jsonl` || (name === `${id}.jsonl.damaged` && found.length === 0), name);
        await rm(path.join(jobs, name));
      }),
      { numRuns: 150 },
    );
  });

  it('follows no link, waits for nothing that is no file, and reads nothing that is huge', async () => {
    const linked = path.join(jobs, `${randomUUID()}.jsonl`);
    await symlink(outside, linked);
    await mkdir(path.join(jobs, `${randomUUID()}.jsonl`));
    await truncate(path.join(jobs, `${await place('x')}.jsonl`), 300 * 1024 * 1024);
    const pipe = path.join(jobs, `${randomUUID()}.jsonl`);
    if (process.platform !== 'win32') assert.equal(spawnSync('mkfifo', [pipe]).status, 0);
    const before = await readFile(outside, 'utf8');
    assert.deepEqual(await jobsOf('ota'), []);
    assert.ok((await readdir(jobs)).every((name) => name.endsWith('.damaged')));
    assert.equal(await readFile(outside, 'utf8'), before);
  });

  it('takes no name for a job that is a path', async () => {
    const names = hostileNames.filter((name) => name !== '' && !/[/\0]|^\.\.?$/.test(name) && name.length < 200);
    for (const name of [...names, '.', '..%2f..%2fetc', `${randomUUID()}.jsonl.new`]) {
      await writeFile(path.join(jobs, `${name}.jsonl`), job(device('lamp')));
    }
    const before = (await readdir(jobs)).sort();
    assert.deepEqual(await jobsOf('ota'), []);
    assert.deepEqual((await readdir(jobs)).sort(), before);
    assert.deepEqual(told, []);
  });

  it('is open to its owner only, whatever was there before and whatever the umask', async () => {
    const umask = process.umask(0);
    try {
      const image = Buffer.from('an image');
      const checksum = await md5(image);
      const firmware = path.join(folder, 'homie-ota', 'firmware');
      await mkdir(firmware, { mode: 0o777 });
      // What an earlier process left, and a link to a file of somebody else.
      await writeFile(path.join(firmware, `${checksum}.bin.new`), 'x', { mode: 0o666 });
      const id = randomUUID();
      await symlink(outside, path.join(jobs, `${id}.jsonl.new`));
      const before = await readFile(outside, 'utf8');
      await withStore(async (store) => {
        const begun = store.begin(id, { ...head, firmware: checksum }, image);
        await begun.note('x', 'y'.repeat(400_000));
        for (let count = 0; count < 5; count += 1) await begun.note('x', String(count).padEnd(400_000));
      });
      const modes = await Promise.all(
        [jobs, firmware, path.join(jobs, `${id}.jsonl`), path.join(firmware, `${checksum}.bin`)].map(
          async (each) => (await stat(each)).mode & 0o777,
        ),
      );
      assert.deepEqual(modes, [0o700, 0o700, 0o600, 0o600]);
      assert.ok((await lstat(path.join(jobs, `${id}.jsonl`))).isFile());
      assert.equal(await readFile(outside, 'utf8'), before);
      assert.deepEqual(told, []);
    } finally {
      process.umask(umask);
    }
  });
});
