/** An attacker who may publish anything, because the broker has no ACL. */
import assert from 'node:assert/strict';
import { setTimeout } from 'node:timers/promises';
import { inspect } from 'node:util';
import fc from 'fast-check';
import mqtt from 'mqtt';
import helper from 'node-red-node-test-helper';
import { errors } from '../../src/texts/en-US.json';
import { md5 } from '../../src/firmware/checksum';
import { topicReaders } from '../../src/homie/values';
import { hostileMessages, pollutes } from '../attacks/hostile';
import type { SimulatedDevice } from '../simulator/device';
import { Inbox, type TestFlow } from './flow';
import { configNode, next, payload, running, Scene } from './scene';
import { untilTrue } from '../support/until-true';

/** Messages in a burst, and ms between two bursts. */
const BURST = 40;
const PAUSE = 20;

const place = { z: 'flow', broker: 'broker', x: 0, y: 0 };
const patient = { sending: '8', accepted: '4', stall: '4', reboot: '6', ready: '4', received: '4', expires: '20' };

/** Settings with which no device waits for another, or for somebody to resume after failures. */
const together = { concurrency: '20', canary: '0', maxFailures: '0' };

/** The value of a setting whose name makes it a secret. */
const secret = 'pl4nted-token';

const final = ['succeeded', 'skipped', 'failed', 'timed_out', 'rejected', 'canceled'];

/** Maximum length of a status text, unless the text is the key of a locale. */
const LONGEST_STATUS = 19;

describe('Nodes at work, while somebody publishes all that is subscribed,', () => {
  let scene: Scene;
  let flow: TestFlow;

  beforeEach(async () => {
    scene = await Scene.open();
  });
  afterEach(() => scene.close());

  const start = async (): Promise<void> => {
    const more = [
      {
        id: 'config',
        ...configNode,
        ...patient,
        ...together,
        device: '',
        deviceType: 'str',
        ...place,
        wires: [['configured'], [], []],
      },
      { id: 'configured', type: 'helper', ...place },
      {
        id: 'devices',
        type: 'homie-devices',
        events: true,
        device: '',
        state: '',
        ...place,
        wires: [['listed'], ['event']],
      },
      { id: 'listed', type: 'helper', ...place },
      { id: 'event', type: 'helper', ...place },
    ];
    flow = await scene.flow({ ...patient, ...together, device: '' }, { more });
  };

  /** Publishes hostile messages. @returns a function that stops this, and returns their number */
  const attack = async (devices: readonly string[]): Promise<() => Promise<number>> => {
    const { host, port, baseTopic }: { host?: string; port?: string; baseTopic?: string } = scene.broker;
    const client = await mqtt.connectAsync(`mqtt://${host}:${port}`, { reconnectPeriod: 0 });
    const messages = hostileMessages(baseTopic ?? '', devices).filter(
      // No client may publish the others.
      ({ topic, payload: { length } }) => !/[+#\0]/.test(topic) && topic.length < 60_000 && length < 100_000,
    );
    let count = 0;
    const end = new AbortController();
    const run = async (): Promise<void> => {
      for (; !end.signal.aborted; count += BURST) {
        for (const each of fc.sample(messages, BURST))
          client.publish(each.topic, each.payload, { retain: each.retained });
        await setTimeout(PAUSE);
      }
    };
    const under = run();
    return async () => {
      end.abort();
      await under;
      await client.endAsync(true);
      return count;
    };
  };

  const ended = (inbox: Inbox, device: string): Promise<unknown> =>
    inbox
      .first((msg) => payload(msg, 'device') === device && final.includes(String(payload(msg, 'state'))))
      .then((msg) => msg.payload);

  it('jobs end in time and cleanly, and only what is proven is told to have succeeded', async () => {
    const ids = Array.from({ length: 6 }, (_none, index) => index);
    const options = { flashDelay: 20, statsInterval: 1 };
    const updated = await Promise.all(ids.map((each) => scene.device(`updated-${each}`, options)));
    const configured = await Promise.all(ids.map((each) => scene.device(`configured-${each}`, options)));
    const bystander = await scene.device('bystander', options);
    await start();
    const attacked = [...updated, ...configured, bystander].map(({ id }) => id);
    const stop = await attack(attacked);
    const inbox = new Inbox(helper.getNode('configured'));

    const names = (devices: readonly SimulatedDevice[]): string[] => devices.map(({ id }) => id);
    flow.send({ payload: next, device: names(updated) });
    flow.sendTo('config', {
      payload: { settings: { percentage: 77, apiToken: secret } },
      device: names(configured),
    });
    const updates = await Promise.all(updated.map(({ id }) => ended(flow.result, id)));
    const changes = await Promise.all(configured.map(({ id }) => ended(inbox, id)));
    await flow.done();
    assert.ok((await stop()) > 1000);

    const images = [await md5(running), await md5(next)];
    for (const [index, device] of updated.entries()) {
      const { state, error }: { state?: unknown; error?: { code?: string } } = Object(updates[index]);
      // The device runs one of the images once it has booted.
      await untilTrue(device, 'phase', () => device.phase !== 'connecting');
      assert.ok(images.includes(device.checksum), 'it runs an image that was meant for it');
      if (state === 'succeeded') assert.equal(device.checksum, images[1]);
      if (state === 'failed') assert.ok(Object.hasOwn(errors, error?.code ?? ''), error?.code);
      assert.notEqual(error?.code, 'UNEXPECTED');
    }
    for (const [index, device] of configured.entries()) {
      const { state, error }: { state?: unknown; error?: { code?: string } } = Object(changes[index]);
      if (state === 'succeeded') assert.match(device.file, /"percentage":77/);
      assert.notEqual(error?.code, 'UNEXPECTED');
    }
    assert.doesNotMatch(flow.log(), /UNEXPECTED|TypeError|RangeError/);
    // The patches of the attacker reach all devices.
    for (const { received } of [bystander, ...configured]) assert.deepEqual(received, []);
    for (const { patches } of [bystander, ...updated])
      assert.ok(patches.every((patch) => !patch.includes('percentage')));
    const told = [inbox, flow.result, flow.progress, flow.summary, flow.caught].map(({ messages }) => messages);
    const shown = inspect([told, flow.statuses, flow.log()], { depth: Infinity, maxStringLength: Infinity });
    assert.ok(configured.some(({ patches }) => patches.some((patch) => patch.includes(secret))));
    assert.ok(!shown.includes(secret), 'the secret is shown nowhere');
  });

  it('they go on working, and show and log nothing that was published', async () => {
    const device = await scene.device('steady', { statsInterval: 1 });
    await start();
    const stop = await attack(['another', 'one-more']);
    const [listed, events] = [new Inbox(helper.getNode('listed')), new Inbox(helper.getNode('event'))];
    const configs = new Inbox(helper.getNode('configured'));
    for (let round = 1; round <= 5; round += 1) {
      flow.send({ action: 'check', payload: next, device: '*' });
      flow.sendTo('config', { action: 'get', device: 'steady' });
      flow.sendTo('devices', {});
      await Promise.all([flow.summary.nth(round), configs.nth(round), listed.nth(round)]);
    }
    flow.send({ payload: next, device: 'steady' });
    assert.equal(payload(await flow.result.first(), 'state'), 'succeeded');
    assert.equal(device.checksum, await md5(next));
    await stop();
    assert.ok(events.messages.length > 0);
    for (const { text = '' } of flow.statuses) {
      assert.ok(text.length <= LONGEST_STATUS || /^(homie-ota|node-red):?[\w.:-]+$/.test(text), text);
    }
    // oxlint-disable-next-line no-control-regex
    assert.doesNotMatch(flow.log().replaceAll('\n', ' '), /[\u0000-\u001F\u007F-\u009F\u202A-\u202E]/);
    assert.ok(!pollutes());
  });

  it('made-up devices with all facts keep no device out that has a history, or waits in a job', async () => {
    await scene.device('updated-once');
    await start();
    flow.send({ payload: running, device: 'updated-once' });
    assert.equal(payload(await flow.result.first(), 'state'), 'skipped');
    flow.send({ payload: next, device: 'waiting' });
    await flow.progress.first((msg) => payload(msg, 'state') === 'waiting');
    const { baseTopic, registry } = flow.broker;
    const say = (topic: string, value: string): void =>
      registry.receive(`${baseTopic}${topic}`, Buffer.from(value), false);
    const checksum = await md5(running);
    for (let id = 0; id < 2 * registry.limit; id += 1) say(`made-up-${id}/$fw/checksum`, checksum);
    assert.equal(registry.isFull, true);
    for (const id of ['waiting', 'unknown']) say(`${id}/$state`, 'lost');
    assert.ok(registry.devices.has('updated-once'));
    assert.ok(registry.devices.has('waiting'));
    assert.equal(registry.get('unknown'), undefined);
    // The attacker clears all topics of the device, and it comes back.
    for (const { name } of topicReaders.values()) say(`updated-once/${name}`, '');
    assert.equal(registry.get('updated-once'), undefined);
    say('updated-once/$state', 'lost');
    assert.ok(registry.devices.has('updated-once'));
  });
});
