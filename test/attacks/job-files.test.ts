import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { lstat, mkdir, mkdtemp, readdir, readFile, rm, stat, symlink, truncate, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import fc from 'fast-check';
import type { HomieError } from '../../src/errors';
import { md5 } from '../../src/firmware/checksum';
import type { JobHead } from '../../src/rollout/job-file';
import { JobStore } from '../../src/rollout/store';
import { stopFlow, TestFlow } from '../nodes/flow';
import { configNode, payload, Scene } from '../nodes/scene';
import { hostileNames } from './hostile';

const deep = `${'['.repeat(50_000)}${']'.repeat(50_000)}`;
const work = { order: { identity: 'x' }, msg: {}, work: { patch: { name: 'x' }, devices: ['lamp'] } };
const head = { node: 'ota', scope: 'localhost/homie/', keep: 1e12, work } satisfies JobHead;
const rest = {
  startedAt: new Date().toISOString(),
  elapsed: 1,
  admitted: true,
  rest: 'not',
  plan: { mode: 'active', proven: 0, failures: 0, soaking: [] },
};

/** The file of a job, of these lines. */
function lines(...changes: readonly unknown[]): string {
  const all = [{ version: 1 }, ...changes];
  return all.map((change) => `${typeof change === 'string' ? change : JSON.stringify(change)}\n`).join('');
}

/** A file of a job whose lines are as they should be, but for these. */
function job(...changes: readonly unknown[]): string {
  return lines(['head', head], ['job', rest], ...changes);
}

const device = (id: unknown, state: unknown = 'queued'): unknown => [
  `device ${JSON.stringify(id)}`,
  { entry: { device: id, state, startedAt: rest.startedAt } },
];

const hostile: Readonly<Record<string, string>> = {
  'deep JSON': job(`["note x",{"msg":${deep},"devices":[]}]`),
  'deep JSON as its first line': `${deep}\n`,
  'no JSON': job('\u0000\u001B[2J'),
  'a device that is a path': job(device('../../etc/passwd')),
  'a device with a wildcard': job(device('+')),
  'a device that is no text': job(device({ toString: 1 })),
  'a state that is none': job(device('lamp', '__proto__')),
  'a firmware that is a path': lines(['head', { ...head, firmware: '../../secret' }], ['job', rest]),
  'work that is none': lines(['head', { ...head, work: 'x' }], ['job', rest]),
  'work of hostile names': lines(
    `["head",{"node":"ota","scope":"localhost/homie/","keep":1e12,"work":{"order":{"identity":"x"},"msg":{"__proto__":{"polluted":1}},"work":{"__proto__":{"polluted":1},"patch":{"__proto__":{"polluted":1},"\\u0000":1}}}}]`,
    ['job', rest],
  ),
};

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

  for (const [title, content] of Object.entries(hostile)) {
    it(`lets a node go on, and pollutes nothing: ${title}`, async () => {
      const id = await place(content);
      const scene = await Scene.open();
      try {
        const flow = await TestFlow.start({ ...scene.broker, baseTopic: 'homie/' }, configNode, { userDir: folder });
        flow.send({ action: 'status' });
        assert.equal(payload(await flow.summary.first(), 'state'), 'idle');
        assert.deepEqual(await readdir(jobs), [`${id}.jsonl.damaged`]);
        // oxlint-disable-next-line no-control-regex
        assert.doesNotMatch(flow.log().replaceAll('\n', ' '), /[\u0000-\u001F]/);
        assert.ok(!('polluted' in {}));
      } finally {
        await stopFlow();
        await scene.close();
      }
    });
  }

  it('reads a job or sets it aside, and nothing else, whatever the lines are', async () => {
    const key = fc.oneof(fc.constantFrom('head', 'job', 'device lamp', 'note x', '__proto__'), fc.string());
    const value = fc.oneof(fc.jsonValue({ maxDepth: 3 }), fc.constantFrom(head, rest, { entry: {} }));
    const change = fc.oneof(fc.tuple(key, value), fc.tuple(key), fc.jsonValue(), fc.string({ unit: 'binary' }));
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
