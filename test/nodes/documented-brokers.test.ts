/** The configuration files of docs/brokers.md, on a real mosquitto. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { connectAsync } from 'mqtt';
import type { NodeMessage } from 'node-red';
import { subscriptions } from '../../src/homie/topics';
import { configNode, connected, next, payload, running } from './scene';
import { stopFlow, TestFlow } from './flow';
import { SimulatedDevice } from '../simulator/device';
import { CertificateAuthority, opensslAvailable } from '../support/certificates';
import { describeIf } from '../support/describe-if';
import { mosquittoAvailable, startMosquitto, type Mosquitto } from '../support/mosquitto';
import { freePort } from '../support/ports';
import { blocksOf } from '../docs/markdown';
import { md5 } from '../support/md5';

const page = blocksOf('docs/brokers.md');
const textOf = (about: string, part: RegExp): string => {
  const block = page.find((candidate) => candidate.about === about && part.test(candidate.text));
  assert.ok(block !== undefined, about);
  return block.text;
};

const acl = textOf('acl', /user node-red/);
const listeners = textOf('mosquitto', /listener 8883/);
const limits = textOf('mosquitto', /message_size_limit/);
const toForget = /^topic readwrite homie\/\+\/#\n/m;
const denied = /^topic deny homie\/\+\/\$implementation\/#\n/m;

const checksum = md5(next);
const PASSWORD = 'correct horse';
/** The users of the page; `own` are two devices of these tests. */
const users = [...textOf('', /mosquitto_passwd/).matchAll(/passwords ([\w-]+)$/gm)].map(([, user = '']) => user);
const own = ['acl-light', 'acl-lamp'];

/** A mosquitto with the files of the page, on other ports and in another folder. */
class Site {
  readonly device: SimulatedDevice;
  readonly #mosquitto: Mosquitto;
  readonly #folder: string;
  readonly #tls: { readonly port: number; readonly authority: CertificateAuthority };

  private constructor(mosquitto: Mosquitto, folder: string, tls: { port: number; authority: CertificateAuthority }) {
    this.#mosquitto = mosquitto;
    this.#folder = folder;
    this.#tls = tls;
    const credentials = { username: 'acl-light', password: PASSWORD };
    this.device = new SimulatedDevice({
      url: mosquitto.url,
      id: 'acl-light',
      image: running,
      statsInterval: 1,
      ...credentials,
    });
  }

  static async open(rules = acl): Promise<Site> {
    const folder = mkdtempSync(path.join(tmpdir(), 'acl-'));
    const [port, tlsPort] = [await freePort(), await freePort()];
    const authority = new CertificateAuthority();
    const { cert, key } = authority.issue('IP:127.0.0.1');
    mkdirSync(path.join(folder, 'certs'));
    const at = (file: string): string => path.join(folder, file);
    writeFileSync(at('acl'), `${rules}\n`, { mode: 0o600 });
    for (const [i, user] of [...users, ...own].entries()) {
      execFileSync('mosquitto_passwd', ['-b', ...(i === 0 ? ['-c'] : []), at('passwords'), user, PASSWORD]);
    }
    const files: Record<string, string> = {
      '/etc/mosquitto/certs/ca.crt': authority.ca,
      '/etc/mosquitto/certs/broker.crt': cert,
      '/etc/mosquitto/certs/broker.key': key,
      '/etc/mosquitto/passwords': at('passwords'),
      '/etc/mosquitto/acl': at('acl'),
      'listener 1883': `listener ${port} 127.0.0.1`,
      'listener 8883': `listener ${tlsPort} 127.0.0.1`,
    };
    const lines = Object.entries(files).reduce((text, [from, to]) => {
      assert.ok(text.includes(from), from);
      return text.replace(from, to);
    }, listeners);
    const mosquitto = await startMosquitto({ port, whole: [...lines.split('\n'), ...limits.split('\n')] });
    const site = new Site(mosquitto, folder, { port: tlsPort, authority });
    await site.device.start();
    return site;
  }

  /** Starts a flow that connects as `node-red` over TLS. */
  async flow(node: object = {}, ca = this.#tls.authority.ca): Promise<TestFlow> {
    const broker = { host: '127.0.0.1', port: String(this.#tls.port), usetls: true, tls: 'tls' };
    const tls = { id: 'tls', type: 'tls-config', cert: '', key: '', ca, verifyservercert: true };
    const credentials = { broker: { user: 'node-red', password: PASSWORD } };
    return TestFlow.start(broker, { device: 'acl-light', canary: '0', ...node }, { more: [tls], credentials });
  }

  /**
   * Publishes, as a user, messages that must not reach the device.
   *
   * @returns the topics below the device of messages that reached it nevertheless
   */
  async reached(username: string, topics: Record<string, string | Buffer>, version: 4 | 5 = 4): Promise<string[]> {
    // This message arrives after all others that the broker has acknowledged.
    const heard = await this.heard('light/on/set', async () => {
      await this.publish(username, topics, version);
      await this.publish('dashboard', { 'light/on/set': 'true' });
    });
    return heard.filter((topic) => topic !== 'light/on/set');
  }

  /** Returns the topics below the device of the messages that it receives, up to and including the topic `last`. */
  async heard(last: string, publish: () => Promise<void>): Promise<string[]> {
    const topics: string[] = [];
    await new Promise<void>((resolve, reject) => {
      const hear = (topic: string): void => {
        topics.push(topic.replace('homie/acl-light/', ''));
        if (topics.at(-1) !== last) return;
        this.device.off('message', hear);
        resolve();
      };
      this.device.on('message', hear);
      publish().catch(reject);
    });
    return topics;
  }

  async publish(username: string, topics: Record<string, string | Buffer>, protocolVersion: 4 | 5 = 4): Promise<void> {
    const options = { username, password: PASSWORD, protocolVersion, reconnectPeriod: 0 } as const;
    const client = await connectAsync(this.#mosquitto.url, options);
    for (const [topic, value] of Object.entries(topics)) {
      // Over MQTT 5, a forbidden publish is refused with a reason code.
      await client.publishAsync(`homie/acl-light/${topic}`, value, { qos: 1 }).catch(({ code }: { code?: number }) => {
        assert.deepEqual([protocolVersion, code], [5, 135]);
      });
    }
    await client.endAsync();
  }

  /** Returns the retained topics of the device that a user may read. */
  async readable(username: string): Promise<string[]> {
    const options = { username, password: PASSWORD, protocolVersion: 4, reconnectPeriod: 0 } as const;
    const client = await connectAsync(this.#mosquitto.url, options);
    const seen = new Set<string>();
    const mark = `homie/${username}/mark/of/end`;
    const end = new Promise<void>((resolve) => {
      client.on('message', (topic) => {
        if (topic === mark) resolve();
        else if (topic.startsWith('homie/acl-light/')) seen.add(topic.replace('homie/acl-light/', ''));
      });
    });
    await client.subscribeAsync('homie/#');
    await client.publishAsync(mark, 'x', { qos: 1 });
    await end;
    await client.endAsync();
    return [...seen];
  }

  async close(): Promise<void> {
    await stopFlow();
    await this.device.stop();
    await this.#mosquitto.stop();
    this.#tls.authority.remove();
    rmSync(this.#folder, { recursive: true, force: true });
  }
}

const flash = `$implementation/ota/firmware/${checksum}`;
const reset = '$implementation/reset';
const attack = { [flash]: next, '$implementation/config/set': '{"name":"taken"}', [reset]: 'true' };
const list = { type: 'homie-devices', device: '', state: '', firmware: '', outdated: false, events: false };
const ending = (msg: NodeMessage): unknown[] => [payload(msg, 'state'), payload(msg, 'error.code')];
const ids = ({ payload: devices }: NodeMessage): unknown[] => {
  assert.ok(Array.isArray(devices));
  return devices.map(({ id, state }) => `${id} ${state}`);
};

it('docs/brokers.md lets homie-broker read what it subscribes to, line by line, and nothing else', () => {
  const [, mine = ''] = /^user node-red\n([\s\S]*?)^#/m.exec(acl) ?? [];
  const readable = [...mine.matchAll(/^topic read (.+)$/gm)].map(([, filter = '']) => filter);
  const covers = (filter: string, wanted: string): boolean =>
    filter === wanted ||
    (filter.endsWith('/#') && `${wanted}/`.startsWith(filter.slice(0, -1))) ||
    (filter.endsWith('/+') && wanted.startsWith(filter.slice(0, -1)) && !wanted.slice(filter.length - 1).includes('/'));
  const wanted = subscriptions('homie/');
  for (const topic of wanted)
    assert.ok(
      readable.some((filter) => covers(filter, topic)),
      topic,
    );
  for (const filter of readable)
    assert.ok(
      wanted.some((topic) => covers(filter, topic)),
      filter,
    );
});

describeIf(mosquittoAvailable() && opensslAvailable())('mosquitto with the files of docs/brokers.md', () => {
  let site: Site | undefined;

  afterEach(async () => {
    await site?.close();
    site = undefined;
  });
  const open = async (rules?: string): Promise<Site> => (site = await Site.open(rules));

  /** Checks what must work without the lines for `forget`. */
  async function worksWithoutForget(at: Site): Promise<void> {
    const ota = await at.flow();
    await ota.showed(connected);
    ota.send({ payload: next });
    assert.deepEqual(ending(await ota.result.first()), ['succeeded', undefined]);
    assert.equal(at.device.checksum, checksum);
    await stopFlow();

    const config = await at.flow(configNode);
    config.send({ payload: { settings: { percentage: 7 } } });
    assert.deepEqual(ending(await config.result.first()), ['succeeded', undefined]);
    await stopFlow();

    const devices = await at.flow(list);
    devices.send({});
    assert.deepEqual(ids(await devices.result.first()), ['acl-light ready']);
  }

  async function forget(at: Site): Promise<NodeMessage> {
    const devices = await at.flow({ ...list, events: true });
    await devices.showed('1/1');
    await at.device.stop();
    await devices.showed('0/1');
    devices.send({ action: 'forget', device: 'acl-light' });
    return devices.result.first();
  }

  it('lets homie-broker, over TLS, update a device, change its configuration, list it and forget it', async () => {
    const at = await open();
    await worksWithoutForget(at);
    await stopFlow();
    const forgotten = await forget(at);
    assert.equal(payload(forgotten, '0.error'), undefined);
    assert.ok(Array.isArray(payload(forgotten, '0.cleared')));
  });

  it('without the lines for it lets all work but forget, which says so', async () => {
    assert.match(acl, toForget);
    const at = await open(acl.replace(toForget, ''));
    await worksWithoutForget(at);
    await stopFlow();
    assert.equal(payload(await forget(at), '0.error.code'), 'NOT_CLEARED');
  });

  for (const version of [4, 5] as const) {
    it(`lets nobody else flash a device, change its configuration or reset it (version ${version})`, async () => {
      const at = await open();
      for (const other of ['dashboard', 'acl-lamp', 'kitchen-light']) {
        assert.deepEqual(await at.reached(other, attack, version), [], other);
      }
      assert.deepEqual([at.device.received, at.device.patches], [[], []]);
      // Firmware reaches the device from a user who may send it; a reset reaches it from nobody.
      const publish = (): Promise<void> => at.publish('node-red', { [reset]: 'true', [flash]: next }, version);
      assert.deepEqual(await at.heard(flash, publish), [flash]);
    });
  }

  it('lets nobody in without a password', async () => {
    const at = await open();
    await assert.rejects(at.publish('stranger', attack), { code: 5 });
  });

  it('needs its deny: by +/+/+/set alone, who may switch a light may also change its configuration', async () => {
    assert.match(acl, denied);
    const at = await open(acl.replace(denied, ''));
    const publish = (): Promise<void> => at.publish('dashboard', attack);
    assert.deepEqual(await at.heard('$implementation/config/set', publish), ['$implementation/config/set']);
    assert.ok((await at.readable('dashboard')).includes('$implementation/config'));
  });

  it('shows the states to others, but not what is below $implementation; and a device sees nothing of another', async () => {
    const at = await open();
    const shown = await at.readable('dashboard');
    assert.ok(shown.includes('$state') && shown.includes('$fw/version'));
    assert.deepEqual(
      shown.filter((topic) => topic.startsWith('$implementation/')),
      [],
    );
    assert.deepEqual(await at.readable('acl-lamp'), []);
  });

  it('is not talked to by homie-broker when its certificate is of another authority', async () => {
    const at = await open();
    const other = new CertificateAuthority();
    try {
      const flow = await at.flow({}, other.ca);
      await flow.showedError('BROKER_TLS');
    } finally {
      other.remove();
    }
  });
});
