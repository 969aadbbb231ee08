/** What a user can do who has logged in and has only `homie-ota.write`. */
import assert from 'node:assert/strict';
import { request } from 'node:http';
import { adminRoutes, nameOf } from '../support/admin-routes';
import { ADMIN, fresh, LoggedIn, OCTETS } from '../support/logged-in';

/** All that the writer is answered. */
const allowed: Readonly<Record<string, number>> = {
  'POST brokers/:id/offers': 200,
  'DELETE brokers/:id/offers/:md5': 204,
  'POST brokers/:id/plans': 200,
  'POST brokers/:id/plans/:plan/start': 200,
  'POST brokers/:id/jobs/:job/pause': 204,
  'POST brokers/:id/jobs/:job/close': 204,
};

describe('a user with only homie-ota.write', () => {
  let site: LoggedIn;

  before(async () => {
    const devices = [{ id: 'kitchen-light' }, { id: 'hall-light' }].map((each) => ({ ...each, statsInterval: 1 }));
    site = await LoggedIn.start({ users: { writer: 'homie-ota.write' }, devices });
    await site.rows();
  });
  after(() => site.stop());

  for (const route of adminRoutes) {
    const status = allowed[nameOf(route)];
    it(`${status === undefined ? 'is refused' : 'may use'} ${nameOf(route)}`, async () => {
      assert.equal((await site.try('writer', route)).status, status ?? 401);
    });
  }

  it('has only routes that there are', () => {
    const all = adminRoutes.map(nameOf);
    for (const route of Object.keys(allowed)) assert.ok(all.includes(route), route);
  });

  it('has updated the selected device, and no other', async () => {
    const [kitchen, hall] = site.devices;
    for (;;) {
      const found = (await site.rows()).find(({ id }) => id === 'kitchen-light');
      const state: unknown = Reflect.get(Object(found?.['update']), 'state');
      if (state === 'succeeded') break;
      assert.notEqual(state, 'failed');
    }
    assert.deepEqual([kitchen?.received.length, hall?.received.length], [1, 0]);
    assert.notEqual(kitchen?.checksum, hall?.checksum);
    assert.deepEqual(kitchen?.image.subarray(0, fresh.length), fresh);
  });

  it('can neither see nor deploy flows, and so has only the brokers that are deployed', async () => {
    for (const [route, status] of await site.tryFlows('writer')) assert.equal(status, 401, route);
    for (const broker of ['flow', 'none', '__proto__']) {
      const { status, body } = await site.json('writer', `brokers/${broker}/plans`, { action: 'update' });
      assert.deepEqual([status, body['code']], [404, 'undeployed'], broker);
    }
  });

  it('holds up nobody else by uploads that stall, which end after 30 s', async () => {
    const begun = performance.now();
    const stall = (): Promise<number | undefined> =>
      new Promise((resolve, reject) => {
        const headers = {
          Authorization: `Bearer ${site.token('writer')}`,
          'Content-Type': OCTETS,
          'Content-Length': fresh.length,
        };
        const stalled = request(
          `${site.nodeRed.url}/homie-ota/brokers/broker/offers`,
          { method: 'POST', headers },
          (response) => {
            response.resume();
            resolve(response.statusCode);
            stalled.destroy();
          },
        );
        stalled.on('error', reject);
        stalled.write(fresh.subarray(0, 20_000));
      });
    const ended = Promise.all([stall(), stall()]);
    // Both have begun.
    while ((await site.upload('writer')).status !== 429);
    assert.equal((await site.upload(ADMIN)).status, 200);
    assert.deepEqual(await ended, [400, 400]);
    const ms = performance.now() - begun;
    assert.ok(ms > 29_000 && ms < 60_000, `${Math.round(ms)} ms`);
    assert.equal((await site.upload('writer')).status, 200);
  });
});
