/** What a page of another site can do with a browser that reaches this Node-RED. */
import assert from 'node:assert/strict';
import { request } from 'node:http';
import { adminRoutes, nameOf } from '../support/admin-routes';
import { adminAuth, logIn } from '../support/logged-in';
import { startNodeRed, type NodeRed } from '../support/node-red';

/** What a browser sends along for such a page. */
const browsers: Record<string, Record<string, string>> = {
  'over HTTPS': { 'sec-fetch-site': 'cross-site', origin: 'https://other.example' },
  'over HTTP': { origin: 'http://other.example' },
  'from a file or a frame': { origin: 'null' },
  'from another port': { origin: 'http://127.0.0.1:1' },
  'from a sibling': { 'sec-fetch-site': 'same-site', origin: 'http://127.0.0.1:1' },
  'with a forwarded host': { origin: 'http://other.example', 'x-forwarded-host': 'other.example' },
};

interface Answer {
  readonly status: number;
  readonly allows: string | undefined;
  readonly text: string;
}

for (const { title, settings, isOpen } of [
  { title: 'where nobody logs in', settings: {}, isOpen: true },
  { title: 'where people log in (adminAuth)', settings: adminAuth({ admin: '*' }), isOpen: false },
]) {
  describe(`a page of another site, ${title}`, () => {
    let nodeRed: NodeRed;
    /** Of somebody with all rights. A page of another site does not know it: with it, only what is ours refuses the page. */
    let token: Record<string, string>;

    before(async () => {
      nodeRed = await startNodeRed({ flows: [], settings });
      token = isOpen ? {} : { authorization: `Bearer ${await logIn(nodeRed.url, 'admin')}` };
    });
    after(() => nodeRed.stop());

    /** Also with a Host header of its own, as `fetch` cannot. */
    const ask = (method: string, path: string, headers: Record<string, string>): Promise<Answer> =>
      new Promise((resolve, reject) => {
        const hasBody = method === 'POST';
        const given = { ...(hasBody && { 'content-type': 'application/json' }), ...headers };
        const asked = request(`${nodeRed.url}/${path}`, { method, headers: given }, (response) => {
          let text = '';
          response.on('data', (part: Buffer) => (text += part.toString()));
          response.on('end', () =>
            resolve({
              status: response.statusCode ?? 0,
              allows: response.headers['access-control-allow-origin'],
              text,
            }),
          );
        });
        asked.on('error', reject);
        asked.end(hasBody ? '[]' : undefined);
      });
    const own = (): Record<string, string>[] => {
      const { origin } = new URL(nodeRed.url);
      const proxied = { origin: 'https://proxy.example', 'sec-fetch-site': 'same-origin' };
      return [{}, { origin }, { origin, 'sec-fetch-site': 'same-origin' }, proxied, { 'sec-fetch-site': 'none' }];
    };

    for (const route of adminRoutes) {
      const path = `homie-ota/${route.path.replace(':id', 'broker')}`;

      for (const [browser, headers] of Object.entries(browsers)) {
        it(`is refused ${nameOf(route)} (${browser})`, async () => {
          const { status, text } = await ask(route.method, path, { ...headers, ...token });
          assert.equal(status, 403);
          assert.equal(JSON.parse(text).code, 'cross_site');
        });
      }

      it(`is told from the editor, which is answered ${nameOf(route)}`, async () => {
        for (const headers of own()) {
          const { status } = await ask(route.method, path, { ...headers, ...token });
          assert.notEqual(status, 403, JSON.stringify(headers));
        }
      });
    }

    it(`${isOpen ? 'can read and deploy flows' : 'can neither read nor deploy flows'} by routes of Node-RED, which answers every site`, async () => {
      for (const [browser, headers] of Object.entries(browsers)) {
        const read = await ask('GET', 'flows', headers);
        assert.deepEqual([read.status, read.allows], [isOpen ? 200 : 401, '*'], browser);
        assert.equal((await ask('POST', 'flows', headers)).status, isOpen ? 204 : 401, browser);
      }
    });

    it(`that rebinds its name ${isOpen ? 'looks like the editor: it can use all routes, and deploy flows' : 'has no token, and can use no route'}`, async () => {
      const headers = { host: 'rebound.example', origin: 'http://rebound.example' };
      for (const route of adminRoutes) {
        const { status } = await ask(route.method, `homie-ota/${route.path.replace(':id', 'broker')}`, headers);
        if (isOpen) assert.ok(status !== 401 && status !== 403, nameOf(route));
        else assert.equal(status, 401, nameOf(route));
      }
      assert.equal((await ask('POST', 'flows', headers)).status, isOpen ? 204 : 401);
    });
  });
}
