/** What a user can do who has logged in and has only `homie-ota.read`. */
import assert from 'node:assert/strict';
import { adminRoutes, nameOf } from '../support/admin-routes';
import { describeIf } from '../support/describe-if';
import { chromiumAvailable, Editor, runtimes } from '../support/editor';
import { running } from '../support/images';
import { LoggedIn } from '../support/logged-in';

/** All that the reader is answered. */
const allowed = [
  'GET brokers/:id/devices',
  'GET brokers/:id/devices/:device',
  'GET brokers/:id/report',
  'GET brokers/:id/table',
];

const secret = 'pl4nted-token';
const devices = [
  { id: 'kitchen-light', name: 'Kitchen', statsInterval: 1, config: { settings: { apiToken: secret } } },
] as const;

describe('a user with only homie-ota.read', () => {
  let site: LoggedIn;

  before(async () => {
    site = await LoggedIn.start({ users: { reader: 'homie-ota.read' }, devices });
    const broker = { credentials: { user: 'someone', password: secret } };
    await site.deploy(site.flows().map((node) => ('host' in node ? { ...node, ...broker } : node)));
    await site.rows();
  });
  after(() => site.stop());

  for (const route of adminRoutes) {
    const isAllowed = allowed.includes(nameOf(route));
    it(`${isAllowed ? 'is answered' : 'is refused'} ${nameOf(route)}`, async () => {
      const { status, body } = await site.try('reader', route);
      assert.equal(status, isAllowed ? 200 : 401);
      assert.ok(!JSON.stringify(body).includes(secret));
    });
  }

  it('has only routes that there are', () => {
    const all = adminRoutes.map(nameOf);
    for (const route of allowed) assert.ok(all.includes(route), route);
  });

  it('is offered the devices', async () => {
    await site.rows('reader');
    const { body } = await site.ask('reader', 'brokers/broker/devices', { method: 'GET' });
    assert.deepEqual(body, {
      state: 'connected',
      devices: [{ id: 'kitchen-light', name: 'Kitchen', firmware: 'my-light', version: '1.0.0', state: 'ready' }],
    });
  });

  it('sees the table of devices, and what has changed in it', async () => {
    const [first] = await site.rows('reader');
    const keys = ['id', 'name', 'state', 'firmware', 'version', 'checksum', 'seen'];
    assert.deepEqual(Object.keys(first ?? {}).slice(0, keys.length), keys);
    const table = (query: string) => site.ask('reader', `brokers/broker/table${query}`, { method: 'GET' });
    const { status, body } = await table('');
    assert.deepEqual([status, body['state'], body['full']], [200, 'connected', true]);
    // A device may be heard between two questions: then there is a change to tell, and later there is none.
    for (let cursor = body['cursor'], changed = Infinity; changed > 0;) {
      const { body: later } = await table(`?since=${String(cursor)}`);
      assert.deepEqual([later['full'], later['gone']], [false, []]);
      changed = Object(later['rows']).length;
      cursor = later['cursor'];
    }
  });

  it('can neither see nor deploy flows, nor press a button in them', async () => {
    for (const [route, status] of await site.tryFlows('reader')) assert.equal(status, 401, route);
  });

  it('has changed nothing by all that, and sees no secret of a device', async () => {
    const { body } = await site.ask('reader', 'brokers/broker/devices/kitchen-light', { method: 'GET' });
    assert.equal(Object(body['config']).content.settings.apiToken, '•••');

    assert.deepEqual(
      site.devices.map(({ received, patches }) => [received, patches]),
      [[[], []]],
    );
    assert.deepEqual(site.devices[0]?.image, running);
  });
});

/** What the editor itself needs. */
const editing = 'flows.read nodes.read plugins.read settings.read status.read';

for (const { title, tag, options, dark } of runtimes.filter((runtime) => runtime.tag === '4')) {
  describeIf(chromiumAvailable())(`the sidebar of a user who may open the editor, in ${title}`, () => {
    let site: LoggedIn;

    before(async () => {
      const users = {
        reader: `${editing} homie-ota.read`,
        writer: `${editing} homie-ota.read homie-ota.write`,
        blind: `${editing} homie-ota.write`,
      };
      site = await LoggedIn.start({ users, devices: [{ name: 'Kitchen' }], options });
    });
    after(() => site?.stop());

    /** The editor, for whom somebody has logged in. */
    const openAs = async (username: string): Promise<Editor> =>
      Editor.open(site.nodeRed.url, { dark, token: site.token(username) });

    it('has the table and nothing else with homie-ota.read', async () => {
      const editor = await openAs('reader');
      const { page } = editor;
      try {
        await page.evaluate("RED.actions.invoke('homie-ota:show-devices')");
        await page.locator('.homie-sidebar .homie-row', { hasText: 'Kitchen' }).waitFor();
        assert.equal(await page.locator('.homie-sidebar :is(.homie-panel, .homie-drop, input[type=file])').count(), 0);
        assert.equal(await page.getByText('Choose file').count(), 0);
        // It lives, too.
        await site.devices[0]?.stop();
        await page.locator('.homie-sidebar .homie-row', { hasText: 'lost' }).waitFor();
        await editor.settled();
        await editor.fits('.homie-sidebar');
        await editor.accessible('.homie-sidebar');
        await editor.screenshot(`${tag}-sidebar-reader`);
      } finally {
        await editor.close();
      }
    });

    it('takes a firmware with homie-ota.write, too', async () => {
      const editor = await openAs('writer');
      try {
        await editor.page.evaluate("RED.actions.invoke('homie-ota:show-devices')");
        await editor.page.getByRole('button', { name: 'Choose file …' }).waitFor();
      } finally {
        await editor.close();
      }
    });

    it('is not there without homie-ota.read', async () => {
      const editor = await openAs('blind');
      try {
        assert.equal(await editor.page.locator('.homie-sidebar').count(), 0);
      } finally {
        await editor.close();
      }
    });
  });
}
