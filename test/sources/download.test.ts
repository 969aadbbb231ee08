import assert from 'node:assert/strict';
import { HomieError, type ErrorCode } from '../../src/errors';
import { download, type Download, type DownloadLimits, type DownloadOptions } from '../../src/sources/download';
import { networkError, waitOf } from '../../src/sources/download-errors';
import { CertificateAuthority, opensslAvailable } from '../support/certificates';
import { FileServer } from '../support/file-server';
import { next } from '../support/images';
import { HANG_LIMIT } from '../support/limits';
import { freePort } from '../support/ports';

const TOKEN = 'Bearer correct-horse-battery';

describe('a download', () => {
  const ends: (() => Promise<unknown>)[] = [];
  let server: FileServer;

  beforeEach(async () => {
    server = await start();
  });
  afterEach(async () => {
    for (const end of ends.splice(0)) await end();
  });

  const start = async (...tls: Parameters<typeof FileServer.start>): Promise<FileServer> => {
    const started = await FileServer.start(...tls);
    ends.push(() => started.close());
    return started;
  };
  const get = (path: string, options: Partial<DownloadOptions> = {}, limits?: DownloadLimits): Promise<Download> =>
    download(
      new URL(path, server.origin),
      { shown: 'the server', accept: '*/*', signal: new AbortController().signal, ...options },
      limits,
    );
  const body = async (path: string, options: Partial<DownloadOptions> = {}): Promise<Buffer> => {
    const answer = await get(path, options);
    assert.ok(!answer.isKnown);
    return answer.body;
  };
  const refused = async (
    path: string,
    key: string,
    options: Partial<DownloadOptions> = {},
    limits?: DownloadLimits,
  ): Promise<HomieError> => {
    const error = await get(path, options, limits).then(
      () => undefined,
      (reason: unknown) => reason,
    );
    assert.ok(error instanceof HomieError, String(error));
    assert.equal(error.key, key);
    assert.ok(error.hint.length > 10);
    return error;
  };
  const own = () => ({ credentials: { origin: server.origin, authorization: TOKEN } });

  it('gives what is there, also without a length', async () => {
    server.file('/a.bin', next);
    assert.ok((await body('/a.bin')).equals(next));
    server.on('/chunked.bin', (_request, response) => {
      response.write(next.subarray(0, 1000));
      response.end(next.subarray(1000));
    });
    assert.ok((await body('/chunked.bin')).equals(next));
  });

  it('says when the version is the known one', async () => {
    server.file('/a.bin', next, { etag: '"1"', 'last-modified': 'Sat, 28 Nov 2026 01:00:00 GMT' });
    const first = await get('/a.bin');
    assert.ok(!first.isKnown);
    assert.deepEqual(first.validators, { etag: '"1"', lastModified: 'Sat, 28 Nov 2026 01:00:00 GMT' });
    assert.deepEqual(await get('/a.bin', { known: first.validators }), { isKnown: true });
    server.file('/a.bin', next, { etag: '"2"' });
    assert.equal((await get('/a.bin', { known: first.validators })).isKnown, false);
    server.status('/new.bin', 304);
    await refused('/new.bin', 'SOURCE_ANSWER.code');
  });

  for (const [status, anonymous, withToken] of [
    [401, 'SOURCE_DENIED.noCredentials', 'SOURCE_DENIED.refused'],
    [403, 'SOURCE_FORBIDDEN.refused', 'SOURCE_FORBIDDEN.refused'],
    [404, 'SOURCE_NOT_FOUND.noCredentials', 'SOURCE_NOT_FOUND.missing'],
    [410, 'SOURCE_NOT_FOUND.noCredentials', 'SOURCE_NOT_FOUND.missing'],
    [418, 'SOURCE_ANSWER.code', 'SOURCE_ANSWER.code'],
    [500, 'SOURCE_UNAVAILABLE.code', 'SOURCE_UNAVAILABLE.code'],
    [503, 'SOURCE_UNAVAILABLE.code', 'SOURCE_UNAVAILABLE.code'],
  ] as const) {
    it(`explains an answer ${status}`, async () => {
      server.status('/a.bin', status);
      const error = await refused('/a.bin', anonymous);
      assert.match(error.message, /the server/);
      await refused('/a.bin', withToken, own());
    });
  }

  it('says how long to wait after too many requests', async () => {
    server.status('/429', 429, { 'retry-after': '90' });
    assert.match((await refused('/429', 'SOURCE_RATE_LIMIT.wait')).message, /the next one in 90 s/);
    server.status('/429', 429);
    assert.ok((await refused('/429', 'SOURCE_RATE_LIMIT.soon')).retryable);
    server.status('/403', 403, { 'x-ratelimit-remaining': '0', 'x-ratelimit-reset': String(Date.now() / 1000 + 60) });
    await refused('/403', 'SOURCE_RATE_LIMIT.soon');
    const reset = String(Math.ceil(Date.now() / 1000) + 60);
    server.status('/403', 403, { 'x-ratelimit-remaining': '0', 'x-ratelimit-reset': reset });
    const { values } = await refused('/403', 'SOURCE_RATE_LIMIT.wait');
    assert.ok(Number(values['wait']) > 30 && Number(values['wait']) <= 62);
  });

  it('reads Retry-After as seconds and as a date', () => {
    const wait = (text: string): number | undefined => waitOf(new Headers({ 'retry-after': text }), 0);
    assert.equal(wait('120'), 120);
    assert.equal(wait('Thu, 01 Jan 1970 00:01:30 GMT'), 90);
    assert.equal(wait('soon'), undefined);
    assert.equal(wait('99999999999999999999'), 7 * 24 * 3600);
    assert.equal(waitOf(new Headers(), 0), undefined);
  });

  it('notices a body that is cut off', async () => {
    server.on('/cut.bin', (_request, response) => {
      response.writeHead(200, { 'content-length': next.length });
      response.write(next.subarray(0, 5000), () => response.socket?.destroy());
    });
    await refused('/cut.bin', 'DOWNLOAD_TRUNCATED.broken');
    server.on('/chunked.bin', (_request, response) => {
      response.write(next.subarray(0, 5000), () => response.socket?.destroy());
    });
    await refused('/chunked.bin', 'DOWNLOAD_TRUNCATED.broken');
  });

  it('ends at the limit, whether the server says a length or not', async () => {
    server.on('/long.bin', (_request, response) =>
      response.writeHead(200, { 'content-length': 2 ** 40 }).flushHeaders(),
    );
    await refused('/long.bin', 'FIRMWARE_TOO_LARGE');
    let sent = 0;
    const ended = new Promise<void>((resolve) => {
      server.on('/endless.bin', (_request, response) => {
        const more = (): void => {
          sent += 65_536;
          if (!response.destroyed) response.write(Buffer.alloc(65_536), more);
        };
        response.on('close', resolve);
        more();
      });
    });
    await refused('/endless.bin', 'FIRMWARE_TOO_LARGE', { limit: 1_000_000 });
    await ended;
    assert.ok(sent < 16_000_000, String(sent));
  });

  const dribble: Parameters<FileServer['on']>[1] = (_request, response) => {
    const drip = setInterval(() => response.write('a'), 20);
    response.on('close', () => clearInterval(drip));
  };
  for (const [what, key, limits, handler] of [
    ['does not answer', 'stall', { idle: 150, total: HANG_LIMIT }, () => undefined],
    [
      'stops in the middle of the body',
      'stall',
      { idle: 150, total: HANG_LIMIT },
      (_request, response) => response.writeHead(200, { 'content-length': 100 }).write('abc'),
    ],
    ['sends too slowly', 'total', { idle: HANG_LIMIT, total: 150 }, dribble],
  ] as const satisfies readonly (readonly [string, string, DownloadLimits, Parameters<FileServer['on']>[1]])[]) {
    it(`ends when a server ${what}, and ends the connection`, async () => {
      const closed = new Promise<void>((resolve) => {
        server.on('/slow.bin', (request, response) => {
          response.on('close', resolve);
          handler(request, response);
        });
      });
      const error = await refused('/slow.bin', `SOURCE_TIMEOUT.${key}`, {}, limits);
      assert.ok(error.retryable);
      assert.match(error.message, /0\.15 s/);
      await closed;
    });
  }

  it('takes as long as it needs while something arrives', async () => {
    server.on('/slow.bin', (_request, response) => {
      let left = 8;
      const drip = setInterval(() => {
        response.write('a');
        left -= 1;
        if (left > 0) return;
        clearInterval(drip);
        response.end();
      }, 200);
    });
    const answer = await get('/slow.bin', {}, { idle: 1500, total: HANG_LIMIT });
    assert.ok(!answer.isKnown && answer.body.toString() === 'aaaaaaaa');
  });

  it('ends with the reason of its signal, also in the middle of a body', async () => {
    const closing = new AbortController();
    server.on('/slow.bin', (_request, response) => {
      response.writeHead(200, { 'content-length': 100 }).write('abc', () => closing.abort());
    });
    await assert.rejects(get('/slow.bin', { signal: closing.signal }), { name: 'AbortError' });
    await assert.rejects(get('/slow.bin', { signal: closing.signal }), { name: 'AbortError' });
    assert.equal(server.requests('/slow.bin').length, 1);
  });

  describe('that is redirected', () => {
    it('follows up to 5 redirects', async () => {
      for (let i = 0; i < 6; i += 1) server.redirect(`/${i}`, i === 5 ? '/a.bin' : `${server.origin}/${i + 1}`);
      server.file('/a.bin', next);
      assert.ok((await body('/1')).equals(next));
      await refused('/0', 'SOURCE_REDIRECT.tooMany');
      server.redirect('/loop', '/loop', 307);
      await refused('/loop', 'SOURCE_REDIRECT.tooMany');
    });

    it('sends credentials to their own origin only', async () => {
      const other = await start();
      other.file('/a.bin', next);
      server.redirect('/here', '/away');
      server.redirect('/away', `${other.origin}/a.bin`);
      assert.ok((await body('/here', own())).equals(next));
      assert.deepEqual(
        server.received.map(({ headers }) => headers.authorization),
        [TOKEN, TOKEN],
      );
      assert.equal(other.received[0]?.headers.authorization, undefined);
      other.status('/b.bin', 401);
      await refused(`${other.origin}/b.bin`, 'SOURCE_DENIED.noCredentials', own());
      // Back again is the own origin.
      other.redirect('/back', `${server.origin}/b.bin`);
      server.file('/b.bin', next);
      server.redirect('/round', `${other.origin}/back`);
      await body('/round', own());
      assert.equal(server.requests('/b.bin')[0]?.headers.authorization, TOKEN);
      assert.ok(other.received.every(({ headers }) => headers.authorization === undefined));
    });

    it('sends no credentials that a redirect has in its address', async () => {
      server.redirect('/a', `${server.origin.replace('://', '://name:word@')}/b.bin`);
      server.file('/b.bin', next);
      await body('/a');
      assert.equal(server.requests('/b.bin')[0]?.headers.authorization, undefined);
    });

    for (const location of [
      '',
      'http://',
      'file:///etc/passwd',
      'ftp://127.0.0.1/a',
      'data:text/plain,a',
      'javascript:1',
    ]) {
      it(`refuses where it cannot go: ${location}`, async () => {
        server.redirect('/a', location);
        await refused('/a', 'SOURCE_REDIRECT.address');
      });
    }

    it('never goes from https to http', async () => {
      // Node.js reads additional certificate authorities only when it starts, so the answer is made up here.
      const original = globalThis.fetch;
      const asked: string[] = [];
      globalThis.fetch = (input) => {
        asked.push(input instanceof URL ? input.href : 'another');
        return Promise.resolve(new Response(null, { status: 302, headers: { location: `${server.origin}/a.bin` } }));
      };
      try {
        server.file('/a.bin', next);
        await refused('https://firmware.example/a.bin', 'SOURCE_REDIRECT.insecure', own());
      } finally {
        globalThis.fetch = original;
      }
      assert.deepEqual(asked, ['https://firmware.example/a.bin']);
      assert.deepEqual(server.received, []);
    });
  });

  it('refuses a certificate that is not trusted', async function () {
    if (!opensslAvailable()) this.skip();
    const authority = new CertificateAuthority();
    try {
      const secure = await start(authority.issue('IP:127.0.0.1'));
      secure.file('/a.bin', next);
      await refused(`${secure.origin}/a.bin`, 'SOURCE_TLS.reason', {
        credentials: { origin: secure.origin, authorization: TOKEN },
      });
      assert.deepEqual(secure.received, []);
    } finally {
      authority.remove();
    }
  });

  it('says when nobody is there', async () => {
    await refused(`http://127.0.0.1:${await freePort()}/a.bin`, 'SOURCE_UNREACHABLE.refused');
    const cause = { code: 'ENOTFOUND' };
    assert.equal(networkError(new TypeError('fetch failed', { cause }), 'a').key, 'SOURCE_UNREACHABLE.name');
    server.on('/gone', (request) => request.socket.destroy());
    const code: ErrorCode = (await refused('/gone', 'SOURCE_UNREACHABLE.failed')).code;
    assert.equal(code, 'SOURCE_UNREACHABLE');
  });
});
