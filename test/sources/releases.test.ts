import assert from 'node:assert/strict';
import { gzipSync } from 'node:zlib';
import { ReleasesSource, type ReleasesOptions } from '../../src/sources/releases';
import type { Findings } from '../../src/sources/source';
import { FileServer } from '../support/file-server';
import { buildEsp8266Image, next, running } from '../support/images';
import { giteaRelease, githubRelease } from '../support/releases';

const signal = new AbortController().signal;
const TOKEN = 'Bearer correct-horse-battery';

describe('releases as a source', () => {
  let server: FileServer;
  let pages: FileServer;

  beforeEach(async () => {
    server = await FileServer.start();
    // GitHub gives files from other servers than its API.
    pages = await FileServer.start();
  });
  afterEach(async () => {
    await server.close();
    await pages.close();
  });

  const source = (options: Partial<ReleasesOptions> = {}): ReleasesSource =>
    new ReleasesSource({
      api: new URL(`${server.origin}/api/v1`),
      shownApi: 'the API',
      repository: 'owner/name',
      shown: 'owner/name',
      patterns: ['*.bin', '*.bin.gz'],
      prereleases: false,
      count: 5,
      ...options,
    });
  const LIST = '/api/v1/repos/owner/name/releases';
  const own = () => ({ credentials: { origin: server.origin, authorization: TOKEN } });
  const found = ({ candidates }: Findings): string[] =>
    candidates.map(({ source: place, filename, info }) => `${place} ${filename} ${info.version}`);
  const refused = ({ refused: files }: Findings): string[] =>
    files.map(({ filename, error }) => `${filename} ${error.key}`);
  /** An asset whose file is there. */
  const asset = (name: string, image: Buffer, at = pages) => {
    at.file(`/files/${encodeURIComponent(name)}`, image);
    return { name, size: image.length, page: `${at.origin}/files/${encodeURIComponent(name)}` };
  };
  const published = '2026-11-01T10:00:00Z';

  for (const [title, make] of [
    ['GitHub', githubRelease],
    ['Gitea', giteaRelease],
  ] as const) {
    it(`finds the images of ${title}, with the time and the notes of their release`, async () => {
      server.json(LIST, [
        make({ tag: 'v1.0.0', published: '2026-10-01T10:00:00Z', assets: [asset('old.bin', running)] }),
        make({
          tag: 'v1.1.0',
          published,
          notes: '## News\r\n\n- **fast**\u001B[2J\n<script>alert(1)</script>',
          assets: [asset('new.bin.gz', gzipSync(next)), asset('notes.txt', Buffer.from('x'))],
        }),
        make({ tag: 'v2.0.0-rc.1', published, prerelease: true, assets: [asset('rc.bin', next)] }),
        make({ tag: 'v3.0.0', published, draft: true, assets: [asset('draft.bin', next)] }),
      ]);
      const result = await source().search(signal);
      assert.deepEqual(found(result), ['owner/name v1.1.0 new.bin.gz 1.1.0', 'owner/name v1.0.0 old.bin 1.0.0']);
      assert.deepEqual(result.refused, []);
      assert.equal(result.candidates[0]?.publishedAt?.toISOString(), '2026-11-01T10:00:00.000Z');
      assert.equal(result.candidates[0]?.notes, '## News\n\n- **fast**\uFFFD[2J\n<script>alert(1)</script>');
      assert.equal(result.candidates[1]?.notes, undefined);
      assert.deepEqual(found(await source({ prereleases: true, count: 1 }).search(signal)), [
        'owner/name v1.1.0 new.bin.gz 1.1.0',
      ]);
      assert.equal((await source({ prereleases: true }).search(signal)).candidates.length, 3);
    });
  }

  it('counts only releases that have a file that fits', async () => {
    const later = githubRelease({ tag: 'docs', published, assets: [asset('manual.pdf', running)] });
    const light = githubRelease({ tag: 'v1', published: '2026-10-01T10:00:00Z', assets: [asset('a.bin', running)] });
    server.json(LIST, [later, light]);
    assert.deepEqual(found(await source({ count: 1 }).search(signal)), ['owner/name v1 a.bin 1.0.0']);
    assert.deepEqual((await source({ patterns: ['*.hex'] }).search(signal)).candidates, []);
  });

  it('sends the token to the API only, where GitHub has the file of a private repository', async () => {
    const file = asset('a.bin', next);
    server.redirect('/assets/1', file.page);
    server.json(LIST, [
      githubRelease({ tag: 'v1', published, assets: [{ ...file, url: `${server.origin}/assets/1` }] }),
    ]);
    assert.deepEqual(found(await source(own()).search(signal)), ['owner/name v1 a.bin 1.1.0']);
    assert.deepEqual(
      server.received.map(({ headers }) => headers.authorization),
      [TOKEN, TOKEN],
    );
    assert.equal(server.requests('/assets/1')[0]?.headers.accept, 'application/octet-stream');
    assert.deepEqual(
      pages.received.map(({ headers }) => headers.authorization),
      [undefined],
    );
    // Without a token the file comes from where everybody gets it.
    await source().search(signal);
    assert.equal(server.requests('/assets/1').length, 1);
  });

  it('sends the token for the files of Gitea, which are on the same server', async () => {
    server.json(LIST, [giteaRelease({ tag: 'v1', published, assets: [asset('a.bin', next, server)] })]);
    assert.deepEqual(found(await source(own()).search(signal)), ['owner/name v1 a.bin 1.1.0']);
    assert.deepEqual(
      server.received.map(({ headers }) => headers.authorization),
      [TOKEN, TOKEN],
    );
  });

  it('downloads what it knows no second time, and asks for the list only if there is another one', async () => {
    const releases = [githubRelease({ tag: 'v1', published, assets: [asset('a.bin', running)] })];
    server.json(LIST, releases, { etag: '"1"' });
    const place = source();
    const [first] = (await place.search(signal)).candidates;
    const [again] = (await place.search(signal)).candidates;
    assert.ok((await again?.read(signal))?.image.equals(running));
    assert.equal(first?.info.md5, again?.info.md5);
    assert.equal(pages.received.length, 1);
    assert.equal(server.requests(LIST)[1]?.headers['if-none-match'], '"1"');
    const replaced = { ...asset('a.bin', next), id: 2 };
    server.json(LIST, [githubRelease({ tag: 'v1', published, assets: [replaced] })], { etag: '"2"' });
    assert.deepEqual(found(await place.search(signal)), ['owner/name v1 a.bin 1.1.0']);
    assert.equal(pages.received.length, 2);
  });

  it('refuses bad files without hiding the good ones', async () => {
    const long = { ...asset('huge.bin', next), size: 17 * 1024 * 1024 };
    const cut = { ...asset('cut.bin', next), size: next.length + 1 };
    const gone = { name: 'gone.bin', size: 1, page: `${pages.origin}/none` };
    const file = { name: 'file.bin', size: 1, page: 'file:///etc/passwd' };
    pages.status('/files/busy.bin', 429, { 'retry-after': '60' });
    const busy = { name: 'busy.bin', size: 1, page: `${pages.origin}/files/busy.bin` };
    const partly = { ...asset('partly.bin', next), state: 'starter' };
    server.json(LIST, [
      githubRelease({
        tag: 'v1',
        published,
        assets: [
          long,
          cut,
          gone,
          file,
          busy,
          partly,
          asset('page.bin', Buffer.from('<html></html>')),
          asset('a.bin', next),
        ],
      }),
    ]);
    const result = await source().search(signal);
    assert.deepEqual(found(result), ['owner/name v1 a.bin 1.1.0']);
    assert.deepEqual(refused(result), [
      'huge.bin FIRMWARE_TOO_LARGE',
      'cut.bin DOWNLOAD_TRUNCATED.length',
      'gone.bin SOURCE_NOT_FOUND.noCredentials',
      'file.bin SOURCE_REDIRECT.address',
      'busy.bin SOURCE_RATE_LIMIT.wait',
      'page.bin FIRMWARE_IS_HTML',
    ]);
    assert.equal(pages.requests('/files/huge.bin').length, 0);
  });

  it('makes safe names of what a server names', async () => {
    server.json(LIST, [
      githubRelease({
        tag: '../../\u001B[2J<b>',
        published,
        assets: [asset('../../../settings.js\n<img src=x>.bin', next)],
      }),
    ]);
    const [image] = (await source().search(signal)).candidates;
    assert.equal(image?.filename, 'settings.js\uFFFD<img src=x>.bin');
    assert.equal(image?.source, 'owner/name ../../\uFFFD[2J<b>');
  });

  it('holds the images in memory up to a limit, and downloads them again after that', async () => {
    const images = [1, 2, 3].map((seed) => buildEsp8266Image({ version: `${seed}.0.0`, size: 12 * 1024 * 1024, seed }));
    const assets = images.map((image, i) => ({ ...asset(`${i}.bin`, image), id: i }));
    server.json(LIST, [githubRelease({ tag: 'v1', published, assets })]);
    const { candidates } = await source().search(signal);
    assert.equal(pages.received.length, 3);
    for (const [i, each] of candidates.entries()) assert.ok((await each.read(signal)).image.equals(images[i] ?? next));
    assert.ok(pages.received.length > 3);
  });

  for (const [title, status, key] of [
    ['is refused', 401, 'SOURCE_DENIED.noCredentials'],
    ['is forbidden', 403, 'SOURCE_FORBIDDEN.refused'],
    ['is not there', 404, 'SOURCE_NOT_FOUND.noCredentials'],
    ['is out of order', 502, 'SOURCE_UNAVAILABLE.code'],
  ] as const) {
    it(`says that the list ${title}`, async () => {
      server.status(LIST, status);
      await assert.rejects(source().search(signal), { key });
    });
  }

  it('says that an answer is no list of releases', async () => {
    for (const body of ['<html></html>', '{}', 'null', '[', '']) {
      server.file(LIST, Buffer.from(body));
      await assert.rejects(source().search(signal), { key: 'SOURCE_ANSWER.notReleases' });
    }
  });

  it('takes any JSON without a fall', async () => {
    server.json(LIST, [null, 7, 'x', {}, { assets: 7 }, { assets: [null, 7, {}, { name: 7 }, { name: 'a.bin' }] }]);
    const result = await source().search(signal);
    assert.deepEqual([found(result), refused(result)], [[], ['a.bin SOURCE_REDIRECT.address']]);
  });

  it('refuses to go through more than 100 files', async () => {
    const assets = Array.from({ length: 101 }, (_, id) => ({ name: `${id}.bin`, size: 1, page: pages.origin, id }));
    server.json(LIST, [githubRelease({ tag: 'v1', published, assets })]);
    await assert.rejects(source().search(signal), { key: 'SOURCE_TOO_LARGE.assets' });
    assert.deepEqual(pages.received, []);
  });
});
