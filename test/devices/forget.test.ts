import assert from 'node:assert/strict';
import mqtt, { type MqttClient } from 'mqtt';
import { HomieBroker } from '../../src/homie/broker';
import fc from 'fast-check';
import { forgetDevice, type Forgetting } from '../../src/devices/forget';
import { forgetDevices } from '../../src/devices/forget-devices';
import { everyDevice } from '../../src/devices/query';
import { Library } from '../../src/library/library';
import { ownTopics, retainedBelow } from '../../src/homie/retained';
import { SimulatedDevice } from '../simulator/device';
import { describeWithBrokers, type TestBroker } from '../support/brokers';
import { running as image } from '../support/images';
import { HANG_LIMIT } from '../support/limits';
import { longestHold } from '../support/longest-hold';
import { mosquittoAvailable, startMosquitto } from '../support/mosquitto';
import { startProxy } from '../support/proxy';
import { retainedTopics, untilRetained } from '../support/retained';
import { untilTrue } from '../support/until-true';

const md5 = 'd41d8cd98f00b204e9800998ecf8427e';
const never = new AbortController().signal;

const follow = async (url: string, baseTopic = 'homie/'): Promise<HomieBroker> => {
  const homie = new HomieBroker({ url, protocolVersion: 'auto', baseTopic, reconnect: { min: 10, max: 50 } });
  homie.start();
  await homie.settled();
  return homie;
};

/** Resolves when the registry holds what is looked for. */
const until = async (homie: HomieBroker, condition: () => boolean): Promise<void> => {
  await untilTrue(homie.registry, 'event', condition);
};

/** Calls something when the first topic is cleared. */
const onFirstClear = (homie: HomieBroker, action: () => void): void => {
  const look = (_topic: string, payload: Buffer): void => {
    if (payload.length > 0) return;
    homie.connection.off('message', look);
    action();
  };
  homie.connection.on('message', look);
};

const codeOf = ({ error }: Forgetting): string | undefined => error?.code;

describeWithBrokers('Forgetting a device', (start) => {
  let broker: TestBroker;
  let homie: HomieBroker;
  let client: MqttClient;

  beforeEach(async () => {
    broker = await start();
    client = await mqtt.connectAsync(broker.url, { reconnectPeriod: 0 });
    homie = await follow(broker.url);
  });
  afterEach(async () => {
    await homie.close();
    await client.endAsync();
    await broker.stop();
  });

  /** Retains values, and waits until the last one is known. */
  const retain = async (root: string, values: Record<string, string>): Promise<void> => {
    for (const [topic, value] of Object.entries(values)) {
      await client.publishAsync(`${root}/${topic}`, value, { qos: 1, retain: true });
    }
  };
  const lose = async (id: string, state = 'lost', more: Record<string, string> = {}): Promise<void> => {
    await retain(`homie/${id}`, { $homie: '3.0.1', $name: id, '$fw/checksum': md5, ...more, $state: state });
    await until(homie, () => homie.registry.get(id)?.state?.value === state);
  };
  /** Many topics, so that clearing them takes a while. */
  const deep = (count: number): Record<string, string> =>
    Object.fromEntries(Array.from({ length: count }, (_, i) => [`room/${i}/a/b/c`, 'x']));

  /** Forgets a device that has gone, over another connection. */
  const forgetGone = async (
    far: HomieBroker,
  ): Promise<{ readonly stop: AbortController; readonly forgetting: ReturnType<typeof forgetDevice> }> => {
    await retain('homie/gone', { $name: 'Gone', $state: 'lost' });
    await until(far, () => far.registry.get('gone')?.state?.value === 'lost');
    const stop = new AbortController();
    return { stop, forgetting: forgetDevice(far, 'gone', stop.signal) };
  };

  it('is given up at once on a dead link, although a clearing is not acknowledged', async () => {
    const link = await startProxy(broker.port);
    const far = await follow(`mqtt://127.0.0.1:${link.port}`);
    try {
      const { stop, forgetting } = await forgetGone(far);
      link.stall();
      // Nothing comes over the link any more, neither what is retained nor an acknowledgement.
      const begun = performance.now();
      stop.abort(new Error('closed'));
      await assert.rejects(forgetting, /closed/);
      assert.ok(performance.now() - begun < 4000);
    } finally {
      link.flow();
      await far.close();
      await link.close();
    }
  });

  it('is given up at once while the broker takes a clearing, and clears nothing after it', async () => {
    let seen = (): void => undefined;
    const clearing = new Promise<void>((resolve) => (seen = resolve));
    // Nothing but a clearing names one of the topics. It still goes to the broker, and no acknowledgement comes back.
    const listen = () => (chunk: Buffer) => {
      if (!chunk.includes('homie/gone/$name')) return;
      link.stall();
      seen();
    };
    const link = await startProxy(broker.port, { listen });
    const far = await follow(`mqtt://127.0.0.1:${link.port}`);
    try {
      const { stop, forgetting } = await forgetGone(far);
      await clearing;
      const begun = performance.now();
      stop.abort(new Error('closed'));
      await assert.rejects(forgetting, /closed/);
      await far.close();
      assert.ok(performance.now() - begun < 2000);
      assert.ok((await retainedTopics(broker.url)).includes('homie/gone/$state'));
    } finally {
      await far.close();
      await link.close();
    }
  });

  it('clears every retained topic of a device that was lost, however deep it lies and whatever it is', async () => {
    const device = new SimulatedDevice({ url: broker.url, id: 'forget-lost', image });
    await device.start();
    await device.stop();
    await retain('homie/forget-lost', {
      'light/on/a/b/c/d': 'x',
      '$implementation/config/set': '{}',
      '$implementation/reset': 'true',
      [`$implementation/ota/firmware/${md5}`]: 'not a firmware',
    });
    await until(homie, () => homie.registry.get('forget-lost')?.state?.value === 'lost');
    // A retained message that is still under way would make the device known again.
    await homie.settled(never);
    const before = await retainedTopics(broker.url);
    assert.ok(before.length > 25);

    const { id, cleared, error } = await forgetDevice(homie, 'forget-lost', never);
    assert.deepEqual([id, error], ['forget-lost', undefined]);
    assert.deepEqual([...cleared].sort(), [...before].sort());
    assert.deepEqual(await retainedTopics(broker.url), []);
    assert.equal(homie.registry.get('forget-lost'), undefined);
    assert.equal(homie.locks.holder('forget-lost'), undefined);
  });

  it('clears what is retained of a device of Homie 2, also beside a state of another Homie', async () => {
    await retain('homie/forget-old', { $homie: '2.0.0', $name: 'Old', $online: 'false' });
    await until(homie, () => homie.registry.get('forget-old')?.state?.value === 'lost');
    assert.equal((await forgetDevice(homie, 'forget-old', never)).error, undefined);
    await lose('forget-both', 'disconnected', { $online: 'false' });
    assert.equal((await forgetDevice(homie, 'forget-both', never)).error, undefined);
    assert.deepEqual(await retainedTopics(broker.url), []);
  });

  it('ends its subscription, so that no firmware comes back', async () => {
    await lose('forget-quiet');
    assert.equal(codeOf(await forgetDevice(homie, 'forget-quiet', never)), undefined);
    const topics: string[] = [];
    homie.connection.on('message', (topic) => topics.push(topic));
    await homie.connection.publish(`homie/forget-quiet/$implementation/ota/firmware/${md5}`, 'x', {
      qos: 1,
      timeout: HANG_LIMIT,
    });
    await retain('homie/mark', { $state: 'ready' });
    await until(homie, () => homie.registry.get('mark') !== undefined);
    assert.deepEqual(topics, ['homie/mark/$state']);
  });

  for (const state of ['init', 'ready', 'sleeping', 'alert']) {
    it(`refuses a device that is ${state}, and clears nothing`, async () => {
      await lose(`forget-${state}`, state);
      const before = await retainedTopics(broker.url);
      const { cleared, error } = await forgetDevice(homie, `forget-${state}`, never);
      assert.deepEqual([cleared, error?.code], [[], 'DEVICE_PRESENT']);
      assert.match(error?.message ?? '', new RegExp(state));
      assert.deepEqual(await retainedTopics(broker.url), before);
    });
  }

  it('forgets the images and the exclusion of a device of which nothing is retained', async () => {
    const library = new Library();
    const key = `${homie.locks.scope}forget-bare`;
    await library.exclude(key, true);
    const query = { ...everyDevice, device: ['forget-bare'] };
    const [forgetting] = await forgetDevices({ broker: homie, library }, query, undefined, never);
    assert.deepEqual([forgetting?.error?.code, library.isExcluded(key)], ['DEVICE_UNKNOWN', false]);
  });

  it('refuses a device that was never seen, that has a job, or whose reboot is pending', async () => {
    assert.equal(codeOf(await forgetDevice(homie, 'forget-never', never)), 'DEVICE_UNKNOWN');

    await lose('forget-busy');
    homie.locks.acquire('forget-busy', 'a job');
    assert.equal(codeOf(await forgetDevice(homie, 'forget-busy', never)), 'DEVICE_BUSY');
    assert.equal(homie.locks.holder('forget-busy'), 'a job');
    homie.locks.release('forget-busy', 'a job');

    await lose('forget-pending');
    await homie.locks.expectReboot('forget-pending', 'image');
    assert.equal(codeOf(await forgetDevice(homie, 'forget-pending', never)), 'REBOOT_PENDING');
    await homie.locks.rebooted('forget-pending');
    assert.equal((await retainedTopics(broker.url)).length, 8);
  });

  it('keeps the topics of devices whose id only begins like it, or that lie below it', async () => {
    await lose('forget-1');
    await lose('forget-10');
    const nested = await follow(broker.url, 'homie/forget-1/');
    await retain('homie/forget-1/inner', { $name: 'Inner', $state: 'ready', 'light/on': 'true' });
    await retain('homie/forget-1/deeper/inner', { $homie: '3.0.1', 'light/on': 'true' });
    await retain('homie/forget-1/light', { $name: 'Light', on: 'true' });

    const { cleared, error } = await forgetDevice(homie, 'forget-1', never);
    assert.equal(error, undefined);
    assert.ok(cleared.includes('homie/forget-1/light/on'));
    assert.deepEqual((await retainedTopics(broker.url)).sort(), [
      'homie/forget-1/deeper/inner/$homie',
      'homie/forget-1/deeper/inner/light/on',
      'homie/forget-1/inner/$name',
      'homie/forget-1/inner/$state',
      'homie/forget-1/inner/light/on',
      'homie/forget-10/$fw/checksum',
      'homie/forget-10/$homie',
      'homie/forget-10/$name',
      'homie/forget-10/$state',
    ]);
    assert.equal(nested.registry.get('inner')?.state?.value, 'ready');
    await nested.close();
  });

  it('does not hold up the process, however many retained topics a device has put into its tree', async () => {
    await lose('forget-flood');
    for (let i = 0; i < 10_000; i += 1) {
      client.publish(`homie/forget-flood/n${i}/$state`, 'lost', { retain: true });
      client.publish(`homie/forget-flood/n${i}/on`, 'true', { retain: true });
    }
    await client.publishAsync('homie/forget-flood/last', 'x', { qos: 1, retain: true });
    const longest = await longestHold(async () => {
      const { cleared } = await forgetDevice(homie, 'forget-flood', never);
      assert.ok(cleared.every((topic) => !/\/n\d+\//.test(topic)));
    });
    assert.ok(longest < 2000, `${Math.round(longest)} ms`);
  });

  it('finds as many retained topics as it can hold, and gives up beyond', async () => {
    await lose('forget-many', 'lost', deep(50));
    const root = 'homie/forget-many';
    assert.equal((await retainedBelow(homie, root, never, { topics: 54, characters: 5000 })).length, 54);
    for (const most of [
      { topics: 53, characters: 5000 },
      { topics: 54, characters: 500 },
    ]) {
      await assert.rejects(retainedBelow(homie, root, never, most), { code: 'NOT_CLEARED' });
    }
    // Part of the base topic may come from an environment variable.
    const { connection } = homie;
    const shown = (topic: string): string => topic.replace('homie/', '${BASE}/');
    await assert.rejects(retainedBelow({ connection, shown }, root, never, { topics: 1, characters: 5000 }), {
      message: 'The broker has too many retained topics below ${BASE}/forget-many; none was cleared.',
    });
    // The subscription has ended.
    let heard = 0;
    homie.connection.on('message', (topic) => (heard += topic.endsWith('/other') ? 1 : 0));
    await retain(root, { other: 'x', $name: 'again' });
    await until(homie, () => homie.registry.get('forget-many')?.name?.value === 'again');
    assert.equal(heard, 0);
  });

  it('forgets a device below another one, and nothing else of it', async () => {
    await lose('forget-outer', 'ready');
    const nested = await follow(broker.url, 'homie/forget-outer/');
    await retain('homie/forget-outer/inner', { $name: 'Inner', $homie: '3.0.1', $state: 'lost' });
    await until(nested, () => nested.registry.get('inner')?.state?.value === 'lost');
    assert.equal(codeOf(await forgetDevice(nested, 'inner', never)), undefined);
    assert.equal((await retainedTopics(broker.url)).length, 4);
    await nested.close();
  });

  it('stops when the device comes back, which then has all of its topics', async () => {
    // None of the topics that the device publishes when it starts: a clearing on its way cannot be taken back.
    await retain('homie/forget-back', { ...deep(600), $state: 'lost' });
    await until(homie, () => homie.registry.get('forget-back')?.state?.value === 'lost');
    const device = new SimulatedDevice({ url: broker.url, id: 'forget-back', image, bootDelay: 0 });
    let started: Promise<void> | undefined;
    await client.subscribeAsync('homie/forget-back/room/#');
    client.on('message', (_topic, payload) => {
      if (payload.length === 0) started ??= device.start();
    });
    const { cleared, error } = await forgetDevice(homie, 'forget-back', never);
    assert.equal(error?.code, 'DEVICE_RETURNED');
    assert.ok(cleared.length > 0 && cleared.length < 600);
    await started;
    const topics = ['$state', '$homie', '$fw/checksum', '$implementation/config', 'light/on/$name'];
    await untilRetained(
      broker.url,
      topics.map((topic) => `homie/forget-back/${topic}`),
    );
    await device.stop();
  });

  it('stops when the device gives any other sign of itself', async () => {
    await lose('forget-sign', 'lost', deep(300));
    onFirstClear(homie, () => {
      client.publish('homie/forget-sign/$stats/uptime', '12');
    });
    assert.equal(codeOf(await forgetDevice(homie, 'forget-sign', never)), 'DEVICE_RETURNED');
    await untilRetained(broker.url, ['homie/forget-sign/$state']);
  });

  it('stops when the connection is lost, and goes on when it is asked again', async () => {
    const proxy = await startProxy(broker.port);
    const cut = await follow(`mqtt://127.0.0.1:${proxy.port}`);
    await lose('forget-cut', 'lost', deep(100));
    await until(cut, () => cut.registry.get('forget-cut')?.state?.value === 'lost');
    onFirstClear(cut, () => proxy.cut());
    const { cleared, error } = await forgetDevice(cut, 'forget-cut', never);
    assert.equal(error?.code, 'CONNECTION_LOST');
    assert.ok(cleared.length < 100);
    await cut.settled();
    assert.equal(codeOf(await forgetDevice(cut, 'forget-cut', never)), undefined);
    assert.deepEqual(await retainedTopics(broker.url), []);
    await cut.close();
    await proxy.close();
  });

  it('stops when it is told to, and frees the device', async () => {
    await lose('forget-stop', 'lost', deep(100));
    const stop = new AbortController();
    onFirstClear(homie, () => stop.abort(new Error('no more')));
    await assert.rejects(forgetDevice(homie, 'forget-stop', stop.signal), /no more/);
    assert.equal(homie.locks.holder('forget-stop'), undefined);
    await untilRetained(broker.url, ['homie/forget-stop/$state']);
  });
});

describe('Forgetting a device where the broker does not allow it', () => {
  for (const protocolVersion of [4, 5] as const) {
    it(`says so, and claims nothing (MQTT ${protocolVersion === 5 ? '5' : '3.1.1'})`, async function () {
      if (!mosquittoAvailable()) return this.skip();
      const id = `forget-acl-${protocolVersion}`;
      const acl = ['topic read homie/#', `topic write homie/${id}/light/#`, 'pattern readwrite homie/%c/#'];
      const broker = await startMosquitto({ acl });
      const device = await mqtt.connectAsync(broker.url, { reconnectPeriod: 0, clientId: id });
      for (const topic of ['light/on', '$name', '$state']) {
        await device.publishAsync(`homie/${id}/${topic}`, 'lost', { qos: 1, retain: true });
      }
      const homie = new HomieBroker({ url: broker.url, protocolVersion, baseTopic: 'homie/' });
      homie.start();
      await homie.settled();
      const { cleared, error } = await forgetDevice(homie, id, never);
      assert.equal(error?.code, 'NOT_CLEARED');
      // MQTT 3.1.1 has no word for it: the topics are tried one after the other.
      assert.deepEqual(cleared, protocolVersion === 5 ? [] : [`homie/${id}/light/on`]);
      assert.equal(homie.registry.get(id)?.state?.value, 'lost');
      await homie.close();
      await device.endAsync();
      await broker.stop();
    });
  }
});

describe('The topics of a device', () => {
  it('are those below its root that are not below another device', async () => {
    const level = fc.constantFrom('a', 'b', '$state', '$online', '$homie', '', '__proto__');
    const path = fc.array(level, { minLength: 1, maxLength: 5 }).map((levels) => levels.join('/'));
    await fc.assert(
      fc.asyncProperty(fc.array(path), fc.array(path, { maxLength: 3 }), async (paths, more) => {
        const root = 'homie/a';
        const topics = paths.map((each) => `${root}/${each}`);
        const others = more.map((each) => `${root}/${each}`);
        const shown = topics.flatMap((topic) => /^(.+)\/\$(?:state|online|homie)$/.exec(topic)?.[1] ?? []);
        const foreign = [...shown, ...others].filter((other) => other !== root);
        const expected = topics.filter((topic) => !foreign.some((other) => topic.startsWith(`${other}/`)));
        assert.deepEqual(await ownTopics(topics, root, others), expected.sort());
      }),
      { numRuns: 1000 },
    );
  });

  it('are found in a time that grows with their number only, while other work goes on', async () => {
    const many = Array.from({ length: 40_000 }, (_none, index) => `homie/a/n${index}/${index % 2 ? '$state' : 'on'}`);
    const deep = Array.from({ length: 50 }, (_none, index) => `homie/a/${`${index}/`.repeat(15_000)}$state`);
    for (const topics of [many, deep]) {
      const longest = await longestHold(async () => {
        await ownTopics(topics, 'homie/a', []);
      });
      assert.ok(longest < 1000, `${Math.round(longest)} ms`);
    }
  });
});
