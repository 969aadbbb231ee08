import assert from 'node:assert/strict';
import {
  appendFile,
  mkdir,
  mkdtemp,
  readdir,
  readFile,
  readlink,
  rm,
  stat,
  symlink,
  writeFile,
} from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import fc from 'fast-check';
import { HomieError } from '../../../src/errors';
import { Journal, type Reading } from '../../../src/rollout/store/journal';

describe('a journal', () => {
  let folder: string;
  let file: string;

  beforeEach(async () => {
    folder = await mkdtemp(path.join(os.tmpdir(), 'homie-ota-journal-'));
    file = path.join(folder, 'deep', 'a.jsonl');
  });
  afterEach(() => rm(folder, { recursive: true, force: true }));

  /** Opens the file. Throws if it is damaged. */
  const opened = async (): Promise<Journal> => {
    const { journal, damage } = await Journal.read(file);
    if (damage !== undefined) throw damage.error;
    return journal;
  };
  const reopened = async (): Promise<[string, unknown][]> => [...(await opened()).entries()];

  it('keeps what was set, in its order, over a restart', async () => {
    const journal = new Journal(file);
    await journal.set('a', { n: 1 });
    await journal.set('b', [1, 2]);
    await journal.set('__proto__', 'text');
    await journal.set('a', { n: 2 });
    await journal.set('b', undefined);
    assert.deepEqual(await reopened(), [
      ['__proto__', 'text'],
      ['a', { n: 2 }],
    ]);
  });

  it('holds whatever a sequence of changes and restarts leaves', async () => {
    const change = fc.record({
      key: fc.constantFrom('a', 'b', 'c'),
      value: fc.option(fc.jsonValue(), { nil: undefined }),
      restart: fc.boolean(),
    });
    await fc.assert(
      fc.asyncProperty(fc.array(change, { maxLength: 12 }), async (changes) => {
        await rm(file, { force: true });
        const expected = new Map<string, unknown>();
        let journal = await opened();
        for (const { key, value, restart } of changes) {
          expected.delete(key);
          if (value !== undefined) expected.set(key, JSON.parse(JSON.stringify(value)));
          await journal.set(key, value);
          if (restart) journal = await opened();
        }
        assert.deepEqual(new Map(await reopened()), expected);
      }),
      { numRuns: 40 },
    );
  });

  it('has let go of its file when it is removed', async function () {
    if (process.platform !== 'linux') this.skip();
    const journal = new Journal(file);
    await journal.set('a', 1);
    await journal.set('a', 2);
    await journal.remove();
    const descriptors = await readdir('/proc/self/fd');
    const open = await Promise.all(descriptors.map((each) => readlink(`/proc/self/fd/${each}`).catch(() => '')));
    assert.deepEqual(
      open.filter((each) => each.startsWith(folder)),
      [],
    );
  });

  it('writes what comes at once together, and each promise waits for it', async () => {
    const journal = new Journal(file);
    await Promise.all(Array.from({ length: 100 }, (_none, index) => journal.set(`key ${index}`, index)));
    assert.equal((await reopened()).length, 100);
  });

  it('loses nothing but the line that was being written when the process ended', async () => {
    await new Journal(file).set('a', 1);
    await appendFile(file, '["b",2');
    const journal = await opened();
    assert.deepEqual([...journal.entries()], [['a', 1]]);
    await journal.set('c', 3);
    assert.deepEqual(await reopened(), [
      ['a', 1],
      ['c', 3],
    ]);
  });

  it('can be read and written by its owner only, and leaves no other file behind', async () => {
    const journal = new Journal(file);
    await journal.set('a', 1);
    await journal.set('b', 1);
    assert.equal((await stat(file)).mode & 0o777, 0o600);
    assert.equal((await stat(path.dirname(file))).mode & 0o777, 0o700);
    assert.deepEqual(await readdir(path.dirname(file)), ['a.jsonl']);
  });

  it('does not grow with the number of changes', async () => {
    const journal = new Journal(file);
    const text = 'x'.repeat(10_000);
    for (let index = 0; index < 100; index += 1) await journal.set('a', { index, text });
    const { size } = await stat(file);
    assert.ok(size < 300_000, `${size} bytes`);
    assert.deepEqual(await reopened(), [['a', { index: 99, text }]]);
  });

  for (const [title, content, code] of [
    ['a damaged first line', 'no json\n["a",1]\n', 'JOB_FILE_DAMAGED'],
    ['another file', '{"some":"thing"}\n', 'JOB_FILE_DAMAGED'],
    ['a damaged line in the middle', '{"version":2}\n["a",\n["b",2]\n', 'JOB_FILE_DAMAGED'],
    ['a line that is no change', '{"version":2}\n{"a":1}\n', 'JOB_FILE_DAMAGED'],
    ['a later version', '{"version":3}\n["a",1,2]\n', 'JOB_FILE_NEWER'],
  ] as const) {
    it(`tells of ${title}, and leaves the file as it is`, async () => {
      await mkdir(path.dirname(file), { recursive: true });
      await writeFile(file, content);
      await assert.rejects(opened(), (error) => error instanceof HomieError && error.code === code);
      assert.equal(await readFile(file, 'utf8'), content);
    });
  }

  const openedLeniently = async (content: string): Promise<Reading & { told: string[] }> => {
    await mkdir(path.dirname(file), { recursive: true });
    await writeFile(file, content);
    const told: string[] = [];
    return { ...(await Journal.openLeniently(file, ({ code }) => told.push(code))), told };
  };

  for (const [title, content, keys] of [
    ['in the middle', '{"version":2}\n["a",1]\n["b",{"n":\n["c",3]\n', ['b']],
    ['of which nothing can be read', '{"version":2}\n["a",1]\n\u0000\u0000\n["c",3]\n', []],
    ['at the start', '{"ver\n["a",1]\n["c",3]\n', []],
    ['that is no change', '{"version":2}\n["a",1]\n{"b":2}\n["c",3]\n', []],
    ['that is an unfinished key', '{"version":2}\n["a",1]\n["b\n["c",3]\n', []],
  ] as const) {
    it(`reads every other line when asked to, keeps a copy, and goes on: a damaged line ${title}`, async () => {
      const { journal, damage, told } = await openedLeniently(content);
      assert.deepEqual(told, ['JOB_FILE_DAMAGED']);
      assert.deepEqual(damage?.keys, keys);
      assert.deepEqual(
        [...journal.entries()],
        [
          ['a', 1],
          ['c', 3],
        ],
      );
      await journal.set('d', 4);
      assert.equal(await readFile(`${file}.damaged`, 'utf8'), content);
      assert.deepEqual(
        (await reopened()).map(([key]) => key),
        ['a', 'c', 'd'],
      );
    });
  }

  it('never writes over a file of a later version, tells of it once, and keeps in memory what is set', async () => {
    const content = '{"version":3}\n["a",1]\n["b",1,"new"]\n';
    const { journal, told } = await openedLeniently(content);
    await journal.set('c', 3);
    await journal.set('a', undefined);
    assert.deepEqual([...journal.entries()], [['c', 3]]);
    assert.deepEqual(told, ['JOB_FILE_NEWER']);
    assert.equal(await readFile(file, 'utf8'), content);
    assert.deepEqual(await readdir(path.dirname(file)), ['a.jsonl']);
  });

  it('writes nothing in the place of a file that it cannot read', async () => {
    await mkdir(file, { recursive: true });
    const told: string[] = [];
    const { journal, damage } = await Journal.openLeniently(file, ({ code }) => told.push(code));
    await journal.set('a', 1);
    await rm(file, { recursive: true });
    await journal.set('b', 2);
    assert.deepEqual([damage?.error.code, told], ['JOB_FILE_UNREADABLE', ['JOB_FILE_UNREADABLE']]);
    assert.deepEqual([...journal.entries()].length, 2);
    assert.deepEqual(await readdir(path.dirname(file)), []);
  });

  it('writes its copy of a damaged file into no other file', async () => {
    const outside = path.join(folder, 'outside');
    await writeFile(outside, 'untouched');
    await mkdir(path.dirname(file), { recursive: true });
    await symlink(outside, `${file}.damaged`);
    await openedLeniently('{"version":2}\nx\n');
    assert.equal(await readFile(outside, 'utf8'), 'untouched');
    assert.equal(await readFile(`${file}.damaged`, 'utf8'), '{"version":2}\nx\n');
  });

  it('tells once that it cannot write, goes on, and writes all when it can again', async () => {
    const told: HomieError[] = [];
    // A folder in place of the file: even root cannot write there.
    await mkdir(path.join(file, 'in the way'), { recursive: true });
    const journal = new Journal(file, (error) => told.push(error));
    await journal.set('a', 1);
    await journal.set('b', 2);
    assert.deepEqual(
      told.map(({ code }) => code),
      ['JOB_NOT_SAVED'],
    );
    await rm(file, { recursive: true });
    await journal.set('c', 3);
    assert.deepEqual(
      (await reopened()).map(([key]) => key),
      ['a', 'b', 'c'],
    );
  });

  it('writes nothing more once it is removed', async () => {
    const journal = new Journal(file);
    const writing = journal.set('a', 1);
    await journal.remove();
    await writing;
    await journal.set('b', 2);
    assert.deepEqual(await readdir(path.dirname(file)), []);
  });
});
