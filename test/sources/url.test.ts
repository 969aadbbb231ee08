import assert from 'node:assert/strict';
import { gzipSync } from 'node:zlib';
import { UrlSource } from '../../src/sources/url';
import { FileServer } from '../support/file-server';
import { next, running } from '../support/images';

const signal = new AbortController().signal;

describe('an address as a source', () => {
  let server: FileServer;

  beforeEach(async () => {
    server = await FileServer.start();
  });
  afterEach(() => server.close());

  const source = (path = '/fw/my-light.bin'): UrlSource =>
    new UrlSource({ url: new URL(path, server.origin), shown: 'https://shown/fw' });

  it('finds the image, compressed or not', async () => {
    const time = 'Sat, 28 Nov 2026 01:00:00 GMT';
    for (const body of [next, gzipSync(next)]) {
      server.file('/fw/my-light.bin', body, { 'last-modified': time });
      const { candidates } = await source().search(signal);
      const [found] = candidates;
      assert.deepEqual(
        [found?.filename, found?.source, found?.info.version, found?.publishedAt?.toUTCString()],
        ['my-light.bin', 'https://shown/fw', '1.1.0', time],
      );
      assert.ok((await found?.read(signal))?.image.equals(next));
    }
  });

  for (const [one, other] of [
    [{ etag: '"1"' }, { etag: '"2"' }],
    [{ 'last-modified': 'Sat, 28 Nov 2026 01:00:00 GMT' }, { 'last-modified': 'Sun, 29 Nov 2026 01:00:00 GMT' }],
  ] as const) {
    it(`downloads it again only when it has changed: ${Object.keys(one).join()}`, async () => {
      const versionFound = async (): Promise<unknown> => (await place.search(signal)).candidates[0]?.info.version;
      const place = source();
      server.file('/fw/my-light.bin', running, { ...one });
      assert.deepEqual([await versionFound(), await versionFound()], ['1.0.0', '1.0.0']);
      // What the server does not send again it cannot have broken.
      server.file('/fw/my-light.bin', Buffer.from('broken'), { ...one });
      assert.equal(await versionFound(), '1.0.0');
      server.file('/fw/my-light.bin', next, { ...other });
      assert.deepEqual([await versionFound(), await versionFound()], ['1.1.0', '1.1.0']);
      const [first, second] = [Object.values(one)[0], Object.values(other)[0]];
      const asked = server.requests('/fw/my-light.bin').map(({ headers }) => known(headers));
      assert.deepEqual(asked, [undefined, first, first, first, second]);
    });
  }

  it('refuses a page in place of the image', async () => {
    server.file('/fw/my-light.bin', Buffer.from('<!DOCTYPE html><html><body>Log in</body></html>'), {
      'content-type': 'text/html',
    });
    await assert.rejects(source().search(signal), { code: 'FIRMWARE_IS_HTML' });
    server.file('/fw/my-light.bin', next.subarray(0, 20_000));
    await assert.rejects(source().search(signal), { code: 'FIRMWARE_TRUNCATED' });
  });

  it('has a file name that leads nowhere', async () => {
    server.file('/%2e%2e%2f%2e%2e%2fx%0a.bin', next);
    const [found] = (await source('/%2e%2e%2f%2e%2e%2fx%0a.bin').search(signal)).candidates;
    assert.equal(found?.filename, 'x\uFFFD.bin');
    server.file('/%ff', next);
    assert.equal((await source('/%ff').search(signal)).candidates[0]?.filename, '%ff');
  });
});

function known(headers: Readonly<Record<string, unknown>>): unknown {
  return headers['if-none-match'] ?? headers['if-modified-since'];
}
