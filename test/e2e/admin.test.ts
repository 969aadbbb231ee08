/** What is asked of Node-RED, beside the sidebar, where people log in; and what nobody gets who may not. */
import assert from 'node:assert/strict';
import { adminRoutes, nameOf } from '../support/admin-routes';
import { ADMIN, LoggedIn, type Answer } from '../support/logged-in';

describe('what the editor asks Node-RED for, where people have to log in', () => {
  let site: LoggedIn;

  before(async () => {
    site = await LoggedIn.start({
      users: {
        deployer: 'flows.write',
        tester: 'homie-ota.write flows.write',
        other: 'flows.read nodes.write settings.write status.read',
      },
      devices: [{ statsInterval: 1 }],
    });
    // Credentials come with a deploy only.
    const credentials = { user: 'someone', password: 'kept' };
    const flows = site.flows();
    const [secret] = flows.flatMap((node) => ('host' in node ? [{ ...node, id: 'secret', credentials }] : []));
    await site.deploy([...flows, secret ?? {}]);
    await site.rows();
  });
  after(() => site.stop());

  for (const who of [undefined, 'other', 'deployer']) {
    for (const route of adminRoutes) {
      it(`is refused to ${who ?? 'whoever has not logged in'}: ${nameOf(route)}`, async () => {
        assert.equal((await site.try(who, route)).status, 401);
      });
    }
  }

  for (const route of adminRoutes) {
    it(`is answered to whoever has all rights: ${nameOf(route)}`, async () => {
      assert.match(String((await site.try(ADMIN, route)).status), /^20[04]$/);
    });
  }

  const tryOut = (who: string | undefined, body: string, type = 'application/json'): Promise<Answer> =>
    site.ask(who, 'test', { body, type });
  const typed = (more: object = {}): string =>
    JSON.stringify({ host: '127.0.0.1', port: String(site.broker.port), baseTopic: 'homie/', ...more });

  it('tries a connection for those who may both write and change flows', async () => {
    const { status, body } = await tryOut('tester', typed());
    assert.deepEqual([status, body['connected'], body['devices']], [200, true, 1]);
  });

  it('refuses what is no form of settings, and what a page of another site could send', async () => {
    for (const body of ['[]', '7', '{"host":{}}', '{"host":', `{"host":"${'x'.repeat(2000)}"}`]) {
      assert.equal((await tryOut('tester', body)).status, 400, body.slice(0, 20));
    }
    for (const type of ['text/plain', 'application/x-www-form-urlencoded']) {
      assert.equal((await tryOut('tester', typed(), type)).status, 400, type);
    }
    assert.equal((await tryOut('tester', typed({ name: 'x'.repeat(6_000_000) }))).status, 413);
  });

  it('sends a password that the editor does not know to no other broker', async () => {
    const body = typed({ id: 'secret', host: 'localhost', password: '__PWRD__' });
    const { connected, message } = (await tryOut('tester', body)).body;
    assert.equal(connected, false);
    assert.match(String(message), /stored password is only used with the deployed settings/);
    const same = await tryOut('tester', typed({ id: 'secret', password: '__PWRD__', user: 'someone' }));
    assert.equal(same.body['connected'], true);
  });

  it('searches for firmware for those who may both write and change flows', async () => {
    const { status, body } = await site.json('tester', 'search', { source: 'folder', folder: 'none' });
    assert.deepEqual([status, body['found']], [200, false]);
    for (const wrong of ['[]', '{"folder":{}}']) {
      const answer = await site.ask('tester', 'search', { body: wrong, type: 'application/json' });
      assert.equal(answer.status, 400, wrong);
    }
  });

  it('is told so of a broker that is not there', async () => {
    const { body } = await site.ask(ADMIN, 'brokers/none/devices', { method: 'GET' });
    assert.deepEqual(body, { state: 'undeployed', devices: [] });
  });
});
