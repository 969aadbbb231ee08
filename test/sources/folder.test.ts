import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, truncateSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { gzipSync } from 'node:zlib';
import { choose } from '../../src/sources/choose';
import { fitsPatterns, safeFilename } from '../../src/sources/filename';
import { FolderSource, type FolderOptions } from '../../src/sources/folder';
import type { Findings } from '../../src/sources/source';
import { buildEsp8266Image, next, running } from '../support/images';
import { leastTime } from '../support/least-time';
import { longestHold } from '../support/longest-hold';

const signal = new AbortController().signal;

describe('a folder as a source', () => {
  let folder: string;

  beforeEach(() => {
    folder = mkdtempSync(path.join(tmpdir(), 'source-'));
  });
  afterEach(() => rmSync(folder, { recursive: true, force: true }));

  const put = (name: string, bytes: Buffer | string): string => {
    const file = path.join(folder, name);
    mkdirSync(path.dirname(file), { recursive: true });
    writeFileSync(file, bytes);
    return file;
  };
  const source = (options: Partial<FolderOptions> = {}): FolderSource =>
    new FolderSource({ folder, shown: 'fw', patterns: ['*.bin', '*.gz'], subfolders: false, ...options });
  const names = ({ candidates }: Findings): string[] => candidates.map(({ source: place }) => place);
  const refusals = ({ refused }: Findings): string[] =>
    refused.map(({ source: place, error }) => `${place} ${error.key}`);

  it('finds the files that fit, with their facts', async () => {
    const file = put('light.bin', next);
    utimesSync(file, 0, 1_800_000_000);
    put('light.txt', next);
    put('sub/other.bin', running);
    const { candidates, refused } = await source().search(signal);
    assert.deepEqual(refused, []);
    const [found, ...more] = candidates;
    assert.ok(found !== undefined && more.length === 0);
    assert.deepEqual(
      [found.filename, found.source, found.info.name, found.info.version, found.publishedAt?.getTime()],
      ['light.bin', path.join('fw', 'light.bin'), 'my-light', '1.1.0', 1_800_000_000_000],
    );
    assert.ok((await found.read(signal)).image.equals(next));
  });

  it('searches sub-folders only if it should, and never in hidden ones', async () => {
    put('a.bin', running);
    put('b/c/d.bin', next);
    put('.git/e.bin', next);
    put('.hidden.bin', next);
    assert.deepEqual(names(await source().search(signal)), ['fw/a.bin']);
    assert.deepEqual(names(await source({ subfolders: true }).search(signal)), ['fw/a.bin', 'fw/b/c/d.bin']);
  });

  it('reads gzip, and refuses damaged, foreign, empty and too large files without hiding the good ones', async () => {
    put('good.bin.gz', gzipSync(next));
    put('cut.bin', next.subarray(0, 30_000));
    put('page.bin', '<!doctype html><html></html>');
    put('empty.bin', '');
    truncateSync(put('huge.bin', ''), 17 * 1024 * 1024);
    const found = await source().search(signal);
    assert.deepEqual(names(found), ['fw/good.bin.gz']);
    assert.deepEqual(refusals(found), [
      'fw/cut.bin FIRMWARE_TRUNCATED.part',
      'fw/empty.bin FIRMWARE_EMPTY',
      'fw/huge.bin FIRMWARE_TOO_LARGE',
      'fw/page.bin FIRMWARE_IS_HTML',
    ]);
  });

  it('does not follow links, wherever they lead, except the folder itself', async () => {
    const outside = mkdtempSync(path.join(tmpdir(), 'outside-'));
    try {
      writeFileSync(path.join(outside, 'secret.bin'), next);
      symlinkSync(path.join(outside, 'secret.bin'), path.join(folder, 'file.bin'));
      symlinkSync(outside, path.join(folder, 'linked'));
      symlinkSync(outside, path.join(folder, 'linked.bin'));
      symlinkSync('/nowhere', path.join(folder, 'dangling.bin'));
      put('real/a.bin', running);
      const found = await source({ subfolders: true }).search(signal);
      assert.deepEqual(names(found), ['fw/real/a.bin']);
      assert.deepEqual(
        refusals(found),
        ['dangling', 'file', 'linked'].map((name) => `fw/${name}.bin FILE_REFUSED.link`),
      );
      symlinkSync(path.join(folder, 'real'), path.join(outside, 'link'));
      assert.deepEqual(names(await source({ folder: path.join(outside, 'link') }).search(signal)), ['fw/a.bin']);
    } finally {
      rmSync(outside, { recursive: true });
    }
  });

  it('does not wait for a pipe', async function () {
    if (process.platform === 'win32') this.skip();
    execFileSync('mkfifo', [path.join(folder, 'pipe.bin')]);
    put('a.bin', next);
    assert.deepEqual(names(await source().search(signal)), ['fw/a.bin']);
  });

  it('makes plain text of names with control characters, and leaves HTML as text', async () => {
    put('a\u001B[2J\n<img src=x onerror=alert(1)>.bin', next);
    const [found] = (await source().search(signal)).candidates;
    assert.equal(found?.filename, 'a\uFFFD[2J\uFFFD<img src=x onerror=alert(1)>.bin');
    assert.equal(found?.source, `fw/${found?.filename}`);
  });

  it('inspects again only what has changed, and says when a file changed before it was read', async () => {
    const file = put('a.bin', running);
    const places = source();
    const [before] = (await places.search(signal)).candidates;
    put('a.bin', next);
    utimesSync(file, 1, 1);
    await assert.rejects(Promise.resolve(before?.read(signal)), { key: 'FILE_REFUSED.changed' });
    const [after] = (await places.search(signal)).candidates;
    assert.equal(after?.info.version, '1.1.0');
    rmSync(file);
    await assert.rejects(Promise.resolve(after?.read(signal)), { key: 'FILE_REFUSED.changed' });
    assert.deepEqual((await places.search(signal)).candidates, []);
  });

  it('says why it cannot be read', async () => {
    const file = put('a.bin', next);
    await assert.rejects(source({ folder: path.join(folder, 'none') }).search(signal), {
      key: 'FOLDER_UNREADABLE.missing',
    });
    await assert.rejects(source({ folder: file }).search(signal), { key: 'FOLDER_UNREADABLE.noFolder' });
  });

  it('goes through 2,000 files without holding up anything else', async () => {
    for (let i = 0; i < 2000; i += 1) {
      put(`${i}.bin`, buildEsp8266Image({ version: `1.0.${i}`, size: 6144, seed: i }));
    }
    const places = source();
    const longest = await longestHold(async () => {
      const { candidates, refused } = await places.search(signal);
      assert.deepEqual(refused, []);
      assert.equal(candidates.length, 2000);
      const { chosen } = choose(candidates);
      assert.deepEqual(
        chosen.map(({ candidate, of }) => [candidate.info.version, of]),
        [['1.0.1999', 2000]],
      );
    });
    // On a machine with nothing else to do it is under 30 ms.
    assert.ok(longest < 500, `${longest} ms`);
  });

  it('ends when its signal is aborted', async () => {
    for (let i = 0; i < 50; i += 1) put(`${i}.bin`, next);
    const closing = new AbortController();
    const search = source().search(closing.signal);
    setImmediate(() => closing.abort());
    await assert.rejects(search, { name: 'AbortError' });
  });

  it('refuses to go through more than 10,000 files', async () => {
    for (let i = 0; i < 10_001; i += 1) put(`${i}.bin`, '');
    await assert.rejects(source().search(signal), { key: 'SOURCE_TOO_LARGE.files' });
  });
});

describe('a file name', () => {
  for (const [name, expected] of [
    ['my-light.bin', 'my-light.bin'],
    ['../../etc/passwd', 'passwd'],
    ['..\\..\\boot.ini', 'boot.ini'],
    ['/', 'firmware.bin'],
    ['..', 'firmware.bin'],
    ['', 'firmware.bin'],
    ['a\0\n\u202Eb.bin', 'a\uFFFD\uFFFD\uFFFDb.bin'],
    ['x'.repeat(300), `${'x'.repeat(119)}…`],
  ] as const) {
    it(`is safe: ${JSON.stringify(name.slice(0, 20))}`, () => assert.equal(safeFilename(name), expected));
  }

  it('fits a pattern with * and ?, whatever the case', () => {
    for (const [name, pattern, expected] of [
      ['a.bin', '*.bin', true],
      ['A.BIN', '*.bin', true],
      ['a.bin.gz', '*.bin', false],
      ['my-light-1.2.bin', 'my-*-?.?.bin', true],
      ['my-light-1.22.bin', 'my-*-?.?.bin', false],
      ['aXbXc', '*x*c', true],
      ['', '*', true],
      ['a', '', false],
      ['.a.bin', '*.bin', false],
      ['.a.bin', '.*.bin', true],
      ['a+b(c).bin', 'a+b(c).*', true],
    ] as const) {
      assert.equal(fitsPatterns(name, [pattern]), expected, `${name} ${pattern}`);
    }
  });

  it('is compared with a pattern in little time', () => {
    const compare = (): boolean => fitsPatterns('a'.repeat(255), [`${'*a'.repeat(500)}b`]);
    assert.equal(compare(), false);
    assert.ok(leastTime(compare) < 100);
  });
});
