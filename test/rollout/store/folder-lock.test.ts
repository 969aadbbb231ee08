import assert from 'node:assert/strict';
import { once } from 'node:events';
import fs, { cp, mkdir, mkdtemp, readdir, readFile, rename, rm, symlink, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { claimText, isFree, watch, type Watched } from '../../../src/rollout/store/folder-claim';
import { FolderLock, type LockTiming } from '../../../src/rollout/store/folder-lock';
import { LockProcess } from '../../support/lock-process';

/** Timing with which a missing heartbeat alone does not free the folder. */
const patient: LockTiming = { beat: 100, look: 20, silence: 600_000, trust: 300_000 };
/** Timing with which a stopped process soon counts as gone. */
const brief: LockTiming = { beat: 50, look: 50, silence: 1_500, trust: 1_000 };

const elsewhere = JSON.stringify({ token: 'theirs', host: 'another-host', space: '', pid: 1, released: false });

describe('the lock of a folder', () => {
  let parent: string;
  let folder: string;
  const processes: LockProcess[] = [];
  const entered: FolderLock[] = [];

  beforeEach(async () => {
    parent = await mkdtemp(path.join(os.tmpdir(), 'folder-lock-'));
    folder = path.join(parent, 'homie-ota');
  });
  afterEach(async () => {
    for (const lock of entered.splice(0)) lock.leave();
    await Promise.all(processes.splice(0).map((each) => each.end('SIGKILL')));
    await rm(parent, { recursive: true, force: true });
  });

  const start = (timing: LockTiming): LockProcess => {
    const started = new LockProcess(folder, timing);
    processes.push(started);
    return started;
  };
  const enter = (timing: LockTiming, where = folder): FolderLock => {
    const lock = FolderLock.of(where, timing);
    lock.enter();
    entered.push(lock);
    return lock;
  };
  const file = (generation: number): string => path.join(folder, `owner.${generation}.json`);
  const place = async (text: string, generation = 1): Promise<void> => {
    await mkdir(folder, { recursive: true });
    await writeFile(file(generation), text);
  };

  it('goes to one of many processes at a time, each time its owner is killed', async () => {
    const many = Array.from({ length: 6 }, () => start(patient));
    for (let left = many.length; left > 0; left -= 1) {
      const open = [...many];
      const owner = await Promise.race(
        open.map(async (each) => {
          const { isOwner } = await each.told('decided');
          if (isOwner !== true) await each.told('owned');
          return each;
        }),
      );
      const answers = await Promise.all(many.map((each) => each.ask()));
      assert.equal(answers.filter(({ isOwner }) => isOwner).length, 1);
      assert.equal(answers.filter(({ why }) => why === 'USER_DIR_IN_USE').length, left - 1);
      await owner.end('SIGKILL');
      many.splice(many.indexOf(owner), 1);
    }
  });

  it('is there at once when its owner has ended, by a crash or in an orderly way', async () => {
    for (const how of ['SIGKILL', 'exit'] as const) {
      const owner = start(patient);
      assert.equal((await owner.told('decided')).isOwner, true);
      await owner.end(how);
      const lock = FolderLock.of(folder, patient);
      lock.enter();
      assert.ok(await lock.decided(), how);
      lock.leave();
    }
  });

  it('is lost by a process that is stopped for long, which knows it as soon as it goes on', async function () {
    if (process.platform === 'win32') this.skip();
    const owner = start(brief);
    assert.equal((await owner.told('decided')).isOwner, true);
    owner.signal('SIGSTOP');
    const lock = enter(brief);
    assert.ok(await lock.decided(), 'another one has taken over');
    owner.signal('SIGCONT');
    assert.deepEqual(await owner.ask(), { event: 'answer', isOwner: false, why: 'USER_DIR_IN_USE' });
    await owner.told('lost');
    assert.ok(lock.isOwner);
  });

  it('is waited for, and told when it is free', async () => {
    const owner = start(patient);
    await owner.told('decided');
    const lock = enter(patient);
    assert.equal(await lock.decided(), false);
    assert.match(String(lock.whyNot()?.message), new RegExp(`process ${owner.pid} on ${os.hostname()}`));
    const owned = once(lock, 'owned');
    await owner.end('exit');
    await owned;
    assert.ok(lock.isOwner);
  });

  it('is lost at the very moment somebody else takes it', async () => {
    const lock = enter(patient);
    assert.ok(await lock.decided());
    const { token } = lock;
    assert.ok(lock.mayWrite(token));
    const lost = once(lock, 'lost');
    await place(elsewhere, 2);
    assert.equal(lock.isOwner, false);
    assert.equal(lock.mayWrite(token), false);
    await lost;
    assert.match(String(lock.whyNot()?.message), /another-host/);
  });

  it('is not trusted after a long pause of its owner, until it has been confirmed', async () => {
    const lock = enter({ ...patient, beat: 600_000, trust: 500 });
    await lock.decided();
    while (lock.isOwner) await new Promise(setImmediate);
    assert.equal(lock.whyNot()?.code, 'USER_DIR_IN_USE');
    // On a busy machine, a confirmation may be older than that when it arrives.
    while (!(await lock.decided())) assert.equal(lock.whyNot()?.code, 'USER_DIR_IN_USE');
  });

  it('is shared by all users in one process, until the last one leaves', async () => {
    const [first, second] = [enter(patient), FolderLock.of(`${folder}/../homie-ota`, patient)];
    second.enter();
    assert.equal(first, second);
    assert.ok(await first.decided());
    second.leave();
    assert.ok(first.isOwner);
  });

  it('is no obstacle in a copy of a folder that this process still uses', async () => {
    assert.ok(await enter(patient).decided());
    const copy = path.join(parent, 'copy');
    await cp(folder, copy, { recursive: true });
    assert.ok(await enter(patient, copy).decided());
  });

  it('keeps one file, whose number only grows', async () => {
    for (let count = 1; count <= 3; count += 1) {
      const lock = FolderLock.of(folder, { ...patient, beat: 10 });
      lock.enter();
      assert.ok(await lock.decided());
      while ((await readdir(folder)).length > 1) await new Promise(setImmediate);
      assert.deepEqual(await readdir(folder), [`owner.${count}.json`]);
      lock.leave();
    }
  });

  it('is granted where no process could create a file', async () => {
    await writeFile(folder, '');
    assert.ok(await enter(patient).decided());
  });

  it('is not taken when the folder is away for a moment while its owner lives', async () => {
    const owner = start(patient);
    assert.equal((await owner.told('decided')).isOwner, true);
    const lock = enter(patient);
    assert.equal(await lock.decided(), false);
    let taken = 0;
    lock.on('owned', () => (taken += 1));
    const watchFor = async (ms: number): Promise<void> => {
      for (const until = performance.now() + ms; performance.now() < until;) {
        assert.equal(lock.isOwner, false);
        await setTimeout(5);
      }
    };
    await rename(parent, `${parent}-away`);
    try {
      await watchFor(20 * patient.look);
    } finally {
      await rename(`${parent}-away`, parent);
    }
    await watchFor(20 * patient.look);
    assert.equal(taken, 0);
    const owned = once(lock, 'owned');
    await owner.end('SIGKILL');
    await owned;
    assert.ok(lock.isOwner);
  });

  it('is not taken while the folder cannot be read, and nobody waits for that for long', async () => {
    const { readdir: original } = fs;
    const failing = async (): Promise<never> => {
      throw Object.assign(new Error('EIO: i/o error, scandir'), { code: 'EIO' });
    };
    Object.assign(fs, { readdir: failing });
    try {
      const lock = enter({ ...patient, silence: 200 });
      assert.equal(await lock.decided(), false);
      assert.equal(lock.whyNot()?.code, 'USER_DIR_IN_USE');
      const owned = once(lock, 'owned');
      Object.assign(fs, { readdir: original });
      await owned;
      assert.ok(lock.isOwner);
    } finally {
      Object.assign(fs, { readdir: original });
    }
  });

  it('is granted where the folder cannot be made', async () => {
    assert.ok(await enter(patient, path.join(parent, 'missing', 'homie-ota')).decided());
  });

  it('writes into no file that a link leads to', async () => {
    const outside = path.join(parent, 'outside');
    await writeFile(outside, 'untouched');
    await mkdir(folder);
    await symlink(outside, file(1));
    assert.ok(await enter({ ...patient, silence: 50 }).decided());
    assert.equal(await readFile(outside, 'utf8'), 'untouched');
  });

  const seen = (text: string): Watched => watch(undefined, { generation: 1, text }, 0, 2_000);
  const own = claimText({ token: 'earlier', released: false, beats: 0 });

  it('is free at once when its owner had the id of this process, as in a container that was started again', () => {
    assert.ok(isFree(seen(own), 20_000));
  });

  for (const [title, text] of [
    ['of another host', elsewhere],
    ['of another container with the same host name', JSON.stringify({ ...JSON.parse(own), space: 'other' })],
    ['of a process that is there', own.replace(`"pid":${process.pid}`, `"pid":${process.ppid}`)],
    ['that cannot be read', ''],
    ['with a process id that is none', JSON.stringify({ ...JSON.parse(own), pid: -1 })],
  ] as const) {
    it(`is free only after 20 s without a heartbeat, when it is a lock ${title}`, () => {
      let watched = seen(text);
      for (let at = 1_000; at < 20_000; at += 1_000) {
        watched = watch(watched, { generation: 1, text }, at, 2_000);
        assert.equal(isFree(watched, 20_000), false, `after ${at} ms`);
      }
      assert.ok(isFree(watch(watched, { generation: 1, text }, 20_000, 2_000), 20_000));
    });
  }

  it('counts no time in which nobody looked, and begins again at each heartbeat', () => {
    const asleep = watch(seen(elsewhere), { generation: 1, text: elsewhere }, 3_600_000, 2_000);
    assert.deepEqual([asleep.silent, asleep.alive], [2_000, false]);
    const beaten = watch(asleep, { generation: 1, text: `${elsewhere} ` }, 3_601_000, 2_000);
    assert.deepEqual([beaten.silent, beaten.alive], [0, true]);
  });
});
