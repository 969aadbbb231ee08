/** What a page of another site can do with a browser that reaches this Node-RED. */
import assert from 'node:assert/strict';
import { rm } from 'node:fs/promises';
import { startNodeRed, type NodeRed } from '../support/node-red';

/** That of Node-RED. */
const { hashSync }: { hashSync: (text: string, rounds: number) => string } = require(
  require.resolve('bcryptjs', { paths: [require.resolve('node-red')] }),
);

/** What a browser sends along for such a page, which knows no token. */
const browsers: Record<string, Record<string, string>> = {
  'over HTTPS': { 'sec-fetch-site': 'cross-site', origin: 'https://other.example' },
  'over HTTP': { origin: 'http://other.example' },
};
const routes = [
  ['GET', 'brokers/broker/devices'],
  ['GET', 'brokers/broker/table'],
  ['POST', 'firmware'],
  ['POST', 'firmware/id/plan'],
  ['POST', 'firmware/id/start'],
  ['POST', 'test'],
] as const;
const users = [{ username: 'admin', password: hashSync('for-tests-only', 4), permissions: '*' }];

for (const { title, settings, deploy } of [
  { title: 'where nobody logs in', settings: {}, deploy: 204 },
  {
    title: 'where people log in (adminAuth)',
    settings: { adminAuth: { type: 'credentials', users } },
    deploy: 401,
  },
]) {
  describe(`a page of another site, ${title}`, () => {
    let nodeRed: NodeRed;

    before(async () => {
      nodeRed = await startNodeRed({ flows: [], settings });
      await nodeRed.logged(/Started flows/);
    });
    after(async () => {
      await nodeRed.stop();
      await rm(nodeRed.userDir, { recursive: true, force: true });
    });

    const ask = async (method: string, path: string, headers: Record<string, string>): Promise<number> => {
      const json = method === 'POST' ? { body: '[]', headers: { 'content-type': 'application/json', ...headers } } : {};
      return (await fetch(`${nodeRed.url}/${path}`, { method, headers, ...json })).status;
    };

    for (const [browser, headers] of Object.entries(browsers)) {
      for (const [method, route] of routes) {
        it(`is refused at ${method} ${route} (${browser})`, async () => {
          assert.equal(await ask(method, `homie-ota/${route}`, headers), 403);
        });
      }

      it(`${deploy === 401 ? 'can deploy no flow' : 'can deploy flows, by a route of Node-RED'} (${browser})`, async () => {
        assert.equal(await ask('POST', 'flows', headers), deploy);
      });
    }
  });
}
