import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import fs, { mkdir, mkdtemp, readdir, readFile, rm, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { md5 } from '../../../src/firmware/checksum';
import { moment } from '../../../src/homie/elapsed';
import { DeviceLocks } from '../../../src/homie/lock';
import type { JobHead } from '../../../src/rollout/store/job-file';
import { JobStore } from '../../../src/rollout/store/job-store';

const image = Buffer.alloc(1000, 1);

describe('the files of jobs', () => {
  let folder: string;
  let told: string[];
  const opened: JobStore[] = [];

  beforeEach(async () => {
    folder = await mkdtemp(path.join(tmpdir(), 'store-'));
    told = [];
  });
  afterEach(async () => {
    await Promise.all(opened.splice(0).map((store) => store.close()));
    await rm(folder, { recursive: true, force: true });
  });

  const open = (): JobStore => {
    const store = new JobStore(folder, ({ code }) => told.push(code));
    opened.push(store);
    return store;
  };
  const files = (name: string): Promise<string[]> => readdir(path.join(folder, name));
  /** Writes a file as an earlier process has left it. */
  const place = async (name: string, ...lines: readonly unknown[]): Promise<void> => {
    const file = path.join(folder, name);
    await mkdir(path.dirname(file), { recursive: true });
    const all = [{ version: 2 }, ...lines].map((line) => (typeof line === 'string' ? line : JSON.stringify(line)));
    await writeFile(file, all.map((line) => `${line}\n`).join(''));
  };
  /** Returns the locks of a broker that no other test uses. */
  const broker = (): DeviceLocks => new DeviceLocks(`mqtt://${randomUUID()}`, 'homie/');

  it('keep a firmware for a job that has only just begun when another job with it is forgotten', async () => {
    const store = open();
    const firmware = await md5(image);
    const [first, second] = [0, 1].map(() => store.begin(randomUUID(), headOf({ firmware }), image));
    await first?.remove();
    assert.deepEqual(await store.firmware.read(firmware), image);
    await second?.remove();
    await assert.rejects(store.firmware.read(firmware), { code: 'FIRMWARE_NOT_KEPT' });
    assert.deepEqual(told, []);
  });

  it('are read in a time that grows with their number only, when a thousand of them have expired', async () => {
    const firmware = await md5(image);
    await mkdir(path.join(folder, 'firmware'));
    for (const each of [firmware, 'f'.repeat(32)]) await writeFile(path.join(folder, 'firmware', `${each}.bin`), image);
    const long = { ...rest, startedAt: new Date(0).toISOString(), idle: 'done' };
    for (let count = 0; count < 1000; count += 1) {
      await place(`jobs/${randomUUID()}.jsonl`, ['head', headOf({ firmware, keep: 1 })], ['job', long]);
    }
    const open1 = randomUUID();
    await place(`jobs/${open1}.jsonl`, ['head', headOf({ firmware: 'f'.repeat(32) })], ['job', rest]);
    const store = open();
    const begun = performance.now();
    const jobs = await store.jobsOf('node');
    const read = performance.now() - begun;
    assert.deepEqual(
      jobs.map(({ id }) => id),
      [open1],
    );
    // Expired files are deleted afterwards; opening does not wait for that.
    await store.close();
    const all = performance.now() - begun;
    assert.deepEqual(await files('jobs'), [`${open1}.jsonl`]);
    assert.deepEqual(await files('firmware'), [`${'f'.repeat(32)}.bin`]);
    assert.ok(read < 60_000 && all < 120_000, `read in ${read} ms, all deleted after ${all} ms`);
  });

  /** Sets the age of files, in days. */
  const age = async (days: number, ...names: readonly string[]): Promise<void> => {
    const then = new Date(Date.now() - days * 24 * 3_600_000);
    for (const name of names) await utimes(path.join(folder, name), then, then);
  };

  it('are removed by their age where nobody needs them: damaged ones, half-written ones, and their firmware', async () => {
    const [needed, orphan, fresh] = [image, Buffer.alloc(1000, 2), Buffer.alloc(1000, 3)];
    const sums = await Promise.all([needed, orphan, fresh].map((each) => md5(each)));
    const [neededBin = '', orphanBin = '', freshBin = ''] = sums.map((sum) => `firmware/${sum}.bin`);
    await mkdir(path.join(folder, 'firmware'), { recursive: true });
    await writeFile(path.join(folder, neededBin), needed);
    await writeFile(path.join(folder, orphanBin), orphan);
    await writeFile(path.join(folder, freshBin), fresh);
    const [open1, begun, later] = [randomUUID(), randomUUID(), randomUUID()].map((id) => `jobs/${id}.jsonl`);
    const [old, young] = [randomUUID(), randomUUID()].map((id) => `jobs/${id}.jsonl.damaged`);
    const half = `jobs/${randomUUID()}.jsonl.new`;
    await place(open1 ?? '', ['head', headOf({ firmware: sums[0] ?? '' })], ['job', rest]);
    await place(begun ?? '', ['head', headOf({ firmware: sums[1] ?? '' })]);
    await place(later ?? '', ['head', headOf({})], ['job', rest]);
    const newer = path.join(folder, later ?? '');
    await writeFile(newer, (await readFile(newer, 'utf8')).replace('"version":2', '"version":3'));
    for (const name of [old, young, half, 'history.jsonl.damaged', 'other.txt', 'jobs/other.damaged']) {
      await place(name ?? '', 'x');
    }
    await age(8, neededBin, orphanBin, open1 ?? '', begun ?? '', later ?? '', old ?? '', half);
    await age(8, 'history.jsonl.damaged', 'other.txt', 'jobs/other.damaged');
    await age(6, freshBin, young ?? '');
    await open().open();
    await Promise.all(opened.splice(0).map((store) => store.close()));
    const left = [open1, later, young, 'jobs/other.damaged'].map((name) => (name ?? '').slice('jobs/'.length));
    assert.deepEqual((await files('jobs')).sort(), left.sort());
    assert.deepEqual((await files('firmware')).sort(), [`${sums[0]}.bin`, `${sums[2]}.bin`].sort());
    const here = await files('.');
    assert.deepEqual([here.includes('other.txt'), here.includes('history.jsonl.damaged')], [true, false]);
  });

  it('are kept for a week from the day on which they are set aside', async () => {
    const id = randomUUID();
    await place(`jobs/${id}.jsonl`, ['head', headOf({})], ['job', rest], 'x');
    await age(30, `jobs/${id}.jsonl`);
    for (let start = 0; start < 2; start += 1) {
      await open().open();
      await Promise.all(opened.splice(0).map((store) => store.close()));
      assert.deepEqual(await files('jobs'), [`${id}.jsonl.damaged`]);
    }
    assert.deepEqual(told, ['JOB_FILE_DAMAGED']);
  });

  it('are written all the same where the file system knows no permissions, which is reported once', async () => {
    const { chmod } = fs;
    fs.chmod = async () => {
      throw Object.assign(new Error('EPERM: operation not permitted, chmod'), { code: 'EPERM' });
    };
    try {
      const store = open();
      const firmware = await md5(image);
      const jobs = [0, 1].map(() => store.begin(randomUUID(), headOf({ firmware }), image));
      for (const job of jobs) await job.note('x', 1);
      await store.history.begun('broker/lamp', firmware);
      await store.close();
      await store.open();
      assert.equal((await files('jobs')).length, 2);
      assert.deepEqual(await store.firmware.read(firmware), image);
      assert.deepEqual(told, ['JOB_FILES_OPEN']);
    } finally {
      fs.chmod = chmod;
    }
  });

  it('lock what the readable lines of a damaged file name as under way, and what the damaged ones are about', async () => {
    const locks = broker();
    const id = randomUUID();
    const head = headOf({ scope: locks.scope });
    await place(
      `jobs/${id}.jsonl`,
      ['head', head],
      ['job', rest],
      device('sent', { end: 'unknown' }),
      device('waiting'),
      '["device damaged",{"entry":{"device":"dam',
      'x',
    );
    const store = open();
    assert.deepEqual(await store.jobsOf('node'), []);
    assert.deepEqual(told, ['JOB_FILE_DAMAGED']);
    assert.deepEqual(await files('jobs'), [`${id}.jsonl.damaged`]);
    assert.deepEqual(
      ['sent', 'waiting', 'damaged', 'other'].map((each) => locks.isRebootPending(each)),
      [true, false, true, false],
    );
  });

  for (const [title, ...damage] of [['a job'], ['a damaged job', 'x']] as const) {
    it(`lock a device that slept, to which ${title} may have sent something, until it is shown to have booted`, async () => {
      const locks = broker();
      const devices = ['slept', 'waiting'].map((id) => {
        const entry = { device: id, state: 'waiting', startedAt: rest.startedAt };
        return [`device ${id}`, { entry, ...(id === 'slept' && { prepared: true }) }];
      });
      const head = ['head', headOf({ scope: locks.scope })];
      await place(`jobs/${randomUUID()}.jsonl`, head, ['job', rest], ...devices, ...damage);
      await open().open();
      const event = { attribute: 'uptime', value: 3600, live: true } as const;
      for (const id of ['slept', 'waiting']) locks.observe(id, { ...event, at: performance.now() });
      assert.deepEqual(
        ['slept', 'waiting'].map((id) => locks.isRebootPending(id)),
        [true, false],
      );
      locks.observe('slept', { ...event, value: 0, at: performance.now() + 60_000 });
      assert.equal(locks.isRebootPending('slept'), false);
    });
  }

  it('lock a device that slept by what may have been sent last, not by what was about to be forgotten', async () => {
    const locks = broker();
    const address = 'homie/slept';
    // The device was sent a patch when it had been up for 5 s, an hour ago.
    const then = Math.max(0, moment() - 3600);
    await place('pending.jsonl', [address, { address, what: 'patch', at: then, up: 5, upAt: then, statistics: true }]);
    const entry = { device: 'slept', state: 'waiting', startedAt: rest.startedAt };
    const head = ['head', headOf({ scope: locks.scope })];
    await place(`jobs/${randomUUID()}.jsonl`, head, ['job', rest], ['device slept', { entry, prepared: true }]);
    await open().open();
    // Shows a boot since the patch, but perhaps before the image.
    locks.observe('slept', { attribute: 'uptime', value: 2, live: true, at: performance.now() });
    assert.equal(locks.pending('slept'), 'image');
  });

  it('lock a device that is under way where the file no longer says at which broker', async () => {
    const [locks, other] = [broker(), broker()];
    await place('history.jsonl', [`${locks.scope}sent`, { images: [], results: [] }]);
    await place(`jobs/${randomUUID()}.jsonl`, ['head', headOf({ scope: other.scope })], ['job', rest]);
    await place(`jobs/${randomUUID()}.jsonl`, '["head",{"node', ['job', rest], device('sent', {}));
    await open().open();
    assert.deepEqual(
      [locks, other].map((each) => each.isRebootPending('sent')),
      [true, true],
    );
  });

  it('lock what is under way by the file of a later version, and leave that file and its firmware', async () => {
    const locks = broker();
    const firmware = await md5(image);
    const id = randomUUID();
    const head = headOf({ scope: locks.scope, firmware });
    await place(`jobs/${id}.jsonl`, ['head', head], ['job', rest], device('sent', {}));
    const file = path.join(folder, 'jobs', `${id}.jsonl`);
    await writeFile(file, (await readFile(file, 'utf8')).replace('"version":2', '"version":3'));
    const store = open();
    assert.deepEqual(await store.jobsOf('node'), []);
    assert.ok(locks.isRebootPending('sent'));
    await store.begin(randomUUID(), headOf({ firmware }), image).remove();
    assert.deepEqual(await files('jobs'), [`${id}.jsonl`]);
    assert.deepEqual(await files('firmware'), [`${firmware}.bin`]);
    assert.deepEqual(told, ['JOB_FILE_NEWER']);
  });

  for (const [title, version, code] of [
    ['a later version has written it', 3, 'JOB_FILE_NEWER'],
    ['one line of it is damaged', 2, 'JOB_FILE_DAMAGED'],
  ] as const) {
    it(`hold an image back as the history says, also when ${title}`, async () => {
      const md5Hex = 'a'.repeat(32);
      const held = { images: [[md5Hex, { transfers: 1, had: false, held: 'OLD_FIRMWARE' }]], results: [] };
      await place('history.jsonl', ['broker/lamp', held], ...(version === 2 ? ['["broker/hall",{'] : []));
      const file = path.join(folder, 'history.jsonl');
      const content = (await readFile(file, 'utf8')).replace('"version":2', `"version":${version}`);
      await writeFile(file, content);
      const store = open();
      await store.open();
      assert.equal(store.history.heldBecause('broker/lamp', md5Hex, 3), 'OLD_FIRMWARE');
      await store.history.begun('broker/hall', md5Hex);
      await store.history.begun('broker/hall', md5Hex);
      assert.equal(store.history.mayTransfer('broker/hall', md5Hex, 3), 1);
      assert.deepEqual(told, [code]);
      assert.equal(await readFile(version === 3 ? file : `${file}.damaged`, 'utf8'), content);
      await store.close();
      const again = open();
      await again.open();
      assert.equal(again.history.heldBecause('broker/lamp', md5Hex, 3), 'OLD_FIRMWARE');
      assert.equal(again.history.mayTransfer('broker/hall', md5Hex, 3), version === 3 ? 3 : 1);
    });
  }

  it('keep in memory what cannot be written, when the store is opened again', async () => {
    await place('history.jsonl');
    const file = path.join(folder, 'history.jsonl');
    await writeFile(file, '{"version":3}\n["broker/lamp",{"images":[],"results":[]}]\n');
    const store = open();
    await store.open();
    await store.history.begun('broker/lamp', 'a'.repeat(32));
    await store.close();
    await store.open();
    assert.equal(store.history.mayTransfer('broker/lamp', 'a'.repeat(32), 3), 2);
  });
});

const rest = {
  startedAt: new Date().toISOString(),
  elapsed: 1,
  admitted: true,
  idle: 'no',
  plan: { mode: 'active', proven: 0, failures: 0, soaking: [] },
};

function headOf(more: Partial<JobHead>): JobHead {
  return { node: 'node', scope: 'broker/', keep: 1e12, work: {}, ...more };
}

function device(id: string, flight?: object): unknown {
  return [`device ${id}`, { entry: { device: id, state: 'running', startedAt: rest.startedAt }, flight }];
}
