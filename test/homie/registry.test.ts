import assert from 'node:assert/strict';
import fc from 'fast-check';
import type { DeviceEvent } from '../../src/homie/device';
import { Registry } from '../../src/homie/registry';
import { hostileMessages, subTopics } from '../attacks/hostile';
import { anyText } from '../support/any-text';

const md5 = 'd41d8cd98f00b204e9800998ecf8427e';

/** A registry of `homie/`, with what it told. */
function someRegistry(limit?: number): {
  registry: Registry;
  told: [string, DeviceEvent][];
  live: (topic: string, text: string) => void;
  retained: (topic: string, text: string) => void;
} {
  const registry = new Registry('homie/', limit);
  const told: [string, DeviceEvent][] = [];
  registry.on('event', (id, event) => told.push([id, event]));
  const receive = (isRetained: boolean) => (topic: string, text: string) =>
    registry.receive(`homie/${topic}`, Buffer.from(text), isRetained);
  return { registry, told, live: receive(false), retained: receive(true) };
}

/** Attribute, value and whether it was live. */
function short(told: [string, DeviceEvent][]): unknown[] {
  return told.map(([, event]) => [event.attribute, event.value, 'live' in event && event.live]);
}

describe('The registry', () => {
  it('knows the last value of each topic, and how it came', () => {
    const { registry, retained, live } = someRegistry();
    retained('lamp/$homie', '3.0.1');
    retained('lamp/$name', 'Lamp in the attic');
    retained('lamp/$mac', '5C:CF:7F:00:00:00');
    retained('lamp/$fw/name', 'light');
    retained('lamp/$fw/version', '1.2.3');
    retained('lamp/$fw/checksum', md5.toUpperCase());
    retained('lamp/$implementation', 'esp8266');
    retained('lamp/$implementation/version', '3.0.0');
    retained('lamp/$implementation/config', '{"name":"Lamp"}');
    retained('lamp/$implementation/ota/enabled', 'true');
    retained('lamp/$implementation/ota/status', '206 1/2');
    retained('lamp/$localip', '10.0.0.9');
    retained('lamp/$stats/signal', '72');
    retained('lamp/$stats/interval', '65');
    retained('lamp/$stats/uptime', '10');
    retained('lamp/$state', 'ready');
    live('lamp/$implementation/ota/status', '200');
    live('lamp/$stats/uptime', '12.5');

    const lamp = registry.get('lamp');
    assert.equal(lamp?.homie?.value, '3.0.1');
    assert.equal(lamp.name?.value, 'Lamp in the attic');
    assert.equal(lamp.mac?.value, '5C:CF:7F:00:00:00');
    assert.equal(lamp.fwName?.value, 'light');
    assert.equal(lamp.fwVersion?.value, '1.2.3');
    assert.equal(lamp.checksum?.value, md5);
    assert.equal(lamp.implementation?.value, 'esp8266');
    assert.equal(lamp.implementationVersion?.value, '3.0.0');
    assert.equal(lamp.config?.value, '{"name":"Lamp"}');
    assert.equal(lamp.otaEnabled?.value, true);
    assert.deepEqual([lamp.otaStatus?.value, lamp.otaStatus?.live], ['200', true]);
    assert.deepEqual([lamp.ip?.value, lamp.signal?.value, lamp.interval?.value], ['10.0.0.9', 72, 65]);
    assert.deepEqual([lamp.uptime?.value, lamp.uptime?.live], [12.5, true]);
    assert.deepEqual([lamp.state?.value, lamp.state?.live], ['ready', false]);
  });

  it('tells every value in order', () => {
    const { told, live, retained } = someRegistry();
    retained('lamp/$state', 'ready');
    live('lamp/$state', 'lost');
    live('lamp/$state', 'init');
    live('lamp/$fw/checksum', md5);
    live('lamp/$state', 'ready');
    live('lamp/$state', 'ready');
    assert.deepEqual(short(told), [
      ['state', 'ready', false],
      ['state', 'lost', true],
      ['state', 'init', true],
      ['checksum', md5, true],
      ['state', 'ready', true],
      ['state', 'ready', true],
    ]);
  });

  it('forgets a value that is deleted, and a device of which nothing is left', () => {
    const { registry, retained, live } = someRegistry();
    retained('lamp/$name', 'Lamp');
    retained('lamp/$state', 'lost');
    live('lamp/$name', '');
    assert.equal(registry.get('lamp')?.name, undefined);
    assert.equal(registry.get('lamp')?.state?.value, 'lost');
    live('lamp/$state', '');
    assert.equal(registry.get('lamp'), undefined);
    assert.equal(registry.devices.size, 0);
  });

  it('tells once that a device has gone, when its state is deleted', () => {
    const { registry, retained, live } = someRegistry();
    const gone: string[] = [];
    registry.on('gone', ({ id }) => gone.push(id));
    retained('lamp/$online', 'false');
    retained('lamp/$state', 'lost');
    live('lamp/$implementation/config/set', '');
    // It is the leftover of an earlier firmware.
    live('lamp/$online', '');
    assert.deepEqual(gone, []);
    live('lamp/$state', '');
    live('lamp/$state', '');
    assert.deepEqual(gone, ['lamp']);
    assert.equal(registry.get('lamp'), undefined);
  });

  it('knows when a device gave a sign of itself, by what it says live and nobody says for it', () => {
    const { registry, retained, live } = someRegistry();
    const seenAt = (): number | undefined => registry.get('lamp')?.seenAt;
    retained('lamp/$fw/checksum', md5);
    retained('lamp/$state', 'ready');
    live('lamp/$implementation/config/set', '{}');
    live('lamp/$state', 'lost');
    assert.equal(seenAt(), undefined);
    const before = performance.now();
    live('lamp/$stats/uptime', '12');
    const seen = seenAt() ?? Number.NaN;
    assert.ok(seen >= before && seen <= performance.now());
    live('lamp/$state', 'lost');
    registry.forgetStates();
    retained('lamp/$stats/uptime', '12');
    retained('lamp/$state', 'ready');
    assert.equal(seenAt(), seen);
  });

  it('does not keep a configuration patch, which may hold secrets', () => {
    const { registry, told, live } = someRegistry();
    live('lamp/$implementation/config/set', '{"wifi":{"password":"secret"}}');
    assert.equal(registry.get('lamp')?.configSet?.value, '•••');
    live('lamp/$implementation/config/set', '');
    assert.equal(registry.get('lamp')?.configSet?.value, '');
    assert.ok(!JSON.stringify(told).includes('secret'));
  });

  it('forgets which devices are there, and nothing else, when a new connection is made', () => {
    const { registry, live } = someRegistry();
    live('lamp/$state', 'ready');
    live('lamp/$fw/name', 'light');
    registry.forgetStates();
    assert.equal(registry.get('lamp')?.state, undefined);
    assert.equal(registry.get('lamp')?.fwName?.value, 'light');
  });

  it('does not take for news what a broker delivers as retained after what came live on the same connection', () => {
    const { registry, told, retained, live } = someRegistry();
    registry.forgetStates();
    live('lamp/$state', 'ready');
    retained('lamp/$state', 'init');
    assert.deepEqual(short(told), [['state', 'ready', true]]);
    registry.forgetStates();
    retained('lamp/$state', 'lost');
    assert.equal(registry.get('lamp')?.state?.value, 'lost');
  });

  it('believes what is retained more than an init that it has only inferred', () => {
    const { registry, retained, live } = someRegistry();
    registry.forgetStates();
    live('lamp/$fw/name', 'light');
    retained('lamp/$state', 'ready');
    assert.equal(registry.get('lamp')?.state?.value, 'ready');
  });
});

describe('The registry, of Homie 2 devices,', () => {
  it('takes $online for the state', () => {
    const { registry, told, retained, live } = someRegistry();
    retained('lamp/$online', 'true');
    live('lamp/$online', 'false');
    assert.deepEqual(short(told), [
      ['state', 'ready', false],
      ['state', 'lost', true],
    ]);
    assert.equal(registry.get('lamp')?.state?.value, 'lost');
  });

  it('tells an init at the first topic of an advertisement', () => {
    const { told, retained, live } = someRegistry();
    retained('lamp/$online', 'true');
    live('lamp/$online', 'false');
    live('lamp/$mac', '5C:CF:7F:00:00:00');
    live('lamp/$fw/checksum', md5);
    live('lamp/$online', 'true');
    live('lamp/$stats/uptime', '3');
    assert.deepEqual(short(told).slice(2), [
      ['state', 'init', true],
      ['mac', '5C:CF:7F:00:00:00', true],
      ['checksum', md5, true],
      ['state', 'ready', true],
      ['uptime', 3, true],
    ]);
  });

  it('tells an init also when the loss was not seen', () => {
    const { told, retained, live } = someRegistry();
    retained('lamp/$online', 'true');
    live('lamp/$homie', '2.0.0');
    live('lamp/$online', 'true');
    assert.deepEqual(short(told).slice(1), [
      ['state', 'init', true],
      ['homie', '2.0.0', true],
      ['state', 'ready', true],
    ]);
  });

  it('tells an init where a device that had Homie 3 comes back with Homie 2', () => {
    const { told, retained, live } = someRegistry();
    retained('lamp/$homie', '3.0.1');
    retained('lamp/$state', 'ready');
    live('lamp/$homie', '2.0.0');
    live('lamp/$fw/checksum', md5);
    // The will of the connection before may come late.
    live('lamp/$state', 'lost');
    live('lamp/$online', 'true');
    assert.deepEqual(short(told).slice(2), [
      ['state', 'init', true],
      ['homie', '2.0.0', true],
      ['checksum', md5, true],
      ['state', 'ready', true],
    ]);
  });

  it('does not mistake what Homie 3 has left as $state for the state of a device that has Homie 2 now', () => {
    for (const leftover of ['lost', 'ready', 'init']) {
      const { registry, retained, live } = someRegistry();
      retained('lamp/$homie', '2.0.0');
      retained('lamp/$state', leftover);
      retained('lamp/$online', 'false');
      assert.equal(registry.get('lamp')?.state?.value, 'lost', leftover);
      live('lamp/$online', 'true');
      assert.equal(registry.get('lamp')?.state?.value, 'ready', leftover);
      live('lamp/$state', '');
      assert.equal(registry.get('lamp')?.state?.value, 'ready', leftover);
    }
  });

  it('takes $state again for the state where the device has Homie 3 again', () => {
    const { told, retained, live } = someRegistry();
    retained('lamp/$homie', '2.0.0');
    retained('lamp/$online', 'true');
    told.length = 0;
    live('lamp/$state', 'init');
    live('lamp/$state', 'lost');
    live('lamp/$state', 'init');
    live('lamp/$homie', '3.0.1');
    live('lamp/$fw/checksum', md5);
    live('lamp/$online', 'false');
    live('lamp/$state', 'ready');
    assert.deepEqual(
      short(told).flatMap((each) => (Array.isArray(each) && each[0] === 'state' ? [each[1]] : [])),
      ['init', 'lost', 'init', 'ready'],
    );
  });

  it('takes $state for the state of a device that says it has 2.1 of the convention', () => {
    const { registry, live } = someRegistry();
    live('lamp/$state', 'init');
    live('lamp/$homie', '2.1.0');
    live('lamp/$state', 'ready');
    live('lamp/$state', 'alert');
    assert.equal(registry.get('lamp')?.state?.value, 'alert');
  });

  it('does not mistake a retained $online for the state of a device that has $state', () => {
    for (const order of [
      ['$state', '$online'],
      ['$online', '$state'],
    ]) {
      const { registry, live, told, retained } = someRegistry();
      for (const topic of order) retained(`lamp/${topic}`, topic === '$state' ? 'lost' : 'true');
      assert.equal(registry.get('lamp')?.state?.value, 'lost', order.join());
      told.length = 0;
      live('lamp/$mac', '5C:CF:7F:00:00:00');
      assert.deepEqual(short(told), [['mac', '5C:CF:7F:00:00:00', true]]);
      live('lamp/$online', '');
      assert.equal(registry.get('lamp')?.state?.value, 'lost', order.join());
    }
  });
});

describe('The registry does not mind', () => {
  const garbage: [string, string][] = [
    ['lamp/$state', 'READY'],
    ['lamp/$state', '__proto__'],
    ['lamp/$online', 'yes'],
    ['lamp/$fw/checksum', 'none'],
    ['lamp/$fw/checksum', `${md5}0`],
    ['lamp/$implementation/ota/enabled', '1'],
    ['lamp/$stats/uptime', '-1'],
    ['lamp/$stats/uptime', 'Infinity'],
    ['lamp/$stats/uptime', '9'.repeat(400)],
    ['lamp/$stats/uptime', ' '],
    ['lamp/$stats/signal', '101'],
    ['lamp/$stats/interval', 'often'],
    ['lamp/$localip', 'x'.repeat(257)],
    ['lamp/$name', 'x'.repeat(257)],
    ['lamp/$implementation/config', 'x'.repeat(4097)],
    ['la mp/$state', 'ready'],
    ['$broadcast/$state', 'ready'],
    [`${'x'.repeat(65)}/$state`, 'ready'],
    ['/$state', 'ready'],
    ['$state', 'ready'],
    ['lamp', 'ready'],
    ['lamp/$fw/name/more', 'x'],
    ['lamp/light/on', 'true'],
    ['lamp/__proto__', 'x'],
    ['', 'x'],
  ];
  for (const [topic, text] of garbage) {
    it(`${JSON.stringify(topic.slice(0, 40))} with ${JSON.stringify(text.slice(0, 20))}`, () => {
      const { registry, told, live, retained } = someRegistry();
      live(topic, text);
      retained(topic, text);
      assert.deepEqual(told, []);
      assert.equal(registry.devices.size, 0);
    });
  }

  it('a device that is called __proto__', () => {
    const { registry, live } = someRegistry();
    live('__proto__/$state', 'ready');
    live('constructor/$state', 'lost');
    assert.equal(registry.get('__proto__')?.state?.value, 'ready');
    assert.equal(registry.get('constructor')?.state?.value, 'lost');
    assert.equal(Object.getPrototypeOf({}), Object.prototype);
  });

  it('a topic beside the base topic', () => {
    const { registry } = someRegistry();
    registry.receive('other/lamp/$state', Buffer.from('ready'), false);
    registry.receive('homi', Buffer.from('ready'), false);
    assert.equal(registry.devices.size, 0);
  });

  it('a value that is too long, and keeps the one before', () => {
    const { registry, live } = someRegistry();
    live('lamp/$name', 'Lamp');
    live('lamp/$name', 'x'.repeat(257));
    assert.equal(registry.get('lamp')?.name?.value, 'Lamp');
    live('lamp/$name', 'ü'.repeat(128));
    assert.equal(registry.get('lamp')?.name?.value.length, 128);
  });

  it('random topics and payloads', () => {
    const level = fc.oneof(
      fc.constantFrom('homie', '$state', '$online', '$fw', 'name', '$stats', 'uptime', '$implementation', 'lamp'),
      anyText(),
    );
    const topics = fc.array(level, { maxLength: 6 }).map((levels) => levels.join('/'));
    fc.assert(
      fc.property(fc.array(fc.tuple(topics, fc.uint8Array(), fc.boolean())), (messages) => {
        const registry = new Registry('homie/');
        for (const [topic, payload, retained] of messages) registry.receive(topic, Buffer.from(payload), retained);
        assert.ok(registry.devices.size <= messages.length);
      }),
    );
  });
});

describe('The registry, when there are too many devices,', () => {
  it('keeps those that are needed or known well, and no more than it may, whatever comes', () => {
    const id = fc.constantFrom('a', 'b', 'c', 'd', 'e', 'f', 'g', 'h', 'needed');
    const message = fc.oneof(
      { arbitrary: hostileMessages('homie/', ['a', 'b', 'needed']), weight: 1 },
      {
        arbitrary: fc
          .tuple(
            id,
            fc.constantFrom(...subTopics),
            fc.constantFrom('', 'ready', '2.0.0', 'd41d8cd98f00b204e9800998ecf8427e'),
            fc.boolean(),
          )
          .map(([device, name, text, retained]) => ({
            topic: `homie/${device}/${name}`,
            payload: Buffer.from(text),
            retained,
          })),
        weight: 9,
      },
    );
    let count = 0;
    fc.assert(
      fc.property(
        fc.array(message, { maxLength: 120, size: 'max' }),
        fc.integer({ min: 1, max: 6 }),
        (messages, limit) => {
          const registry = new Registry('homie/', limit);
          registry.protect((each) => each === 'needed');
          let kept = new Set<string>();
          registry.on('forgotten', (each) => {
            assert.ok(!kept.has(each), each);
            count += 1;
          });
          for (const { topic, payload, retained } of messages) {
            kept = new Set(
              [...registry.devices.values()]
                .filter(({ checksum }) => checksum !== undefined)
                .map((device) => device.id),
            );
            kept.add('needed');
            const wasThere = registry.get('needed') !== undefined;
            registry.receive(topic, payload, retained);
            assert.ok(registry.devices.size <= limit + 1);
            if (wasThere && !topic.startsWith('homie/needed/')) assert.ok(registry.get('needed'));
          }
        },
      ),
      { numRuns: 300 },
    );
    assert.ok(count > 0);
  });

  it('forgets the one of which nothing was heard for longest', () => {
    const { registry, retained } = someRegistry(3);
    for (const id of ['a', 'b', 'c']) retained(`${id}/$state`, 'ready');
    retained('a/$name', 'A');
    retained('d/$state', 'ready');
    assert.deepEqual([...registry.devices.keys()], ['a', 'c', 'd']);
  });

  it('never forgets one with a checksum, with a full advertisement, or that is watched', () => {
    const { registry, retained, live } = someRegistry(4);
    retained('a/$state', 'ready');
    const watch = registry.watch('a');
    retained('b/$fw/checksum', '0123456789abcdef0123456789abcdef');
    for (const name of ['$homie', '$name', '$fw/name', '$fw/version', '$implementation'])
      retained(`c/${name}`, '3.0.1');
    live('d/$state', 'ready');
    for (let i = 0; i < 200; i++) live(`more${i}/$state`, 'ready');
    assert.deepEqual([...registry.devices.keys()], ['a', 'b', 'c', 'more199']);
    watch.close();
    live('d/$state', 'ready');
    live('e/$state', 'ready');
    assert.deepEqual([...registry.devices.keys()], ['b', 'c', 'd', 'e']);
    // What was all that is known of it is deleted.
    retained('b/$name', 'B');
    retained('b/$fw/checksum', '');
    for (const id of ['f', 'g', 'h']) live(`${id}/$state`, 'ready');
    assert.deepEqual([...registry.devices.keys()], ['c', 'f', 'g', 'h']);
  });

  it('tells of each that it forgets', () => {
    const { registry, retained } = someRegistry(2);
    const forgotten: string[] = [];
    registry.on('forgotten', (id) => forgotten.push(id));
    for (const id of ['a', 'b', 'c', 'd']) retained(`${id}/$state`, 'ready');
    assert.deepEqual(forgotten, ['a', 'b']);
  });

  it('remembers 20,000 of them', () => {
    const { registry, retained } = someRegistry();
    for (let i = 0; i < 20_000; i++) retained(`device${i}/$state`, 'lost');
    assert.equal(registry.devices.size, 20_000);
    retained('another/$state', 'lost');
    assert.ok(registry.devices.size <= 20_000);
    assert.equal(registry.get('device0'), undefined);
    assert.notEqual(registry.get('device19999'), undefined);
    assert.notEqual(registry.get('another'), undefined);
  });
});

describe('A watch of the registry', () => {
  it('gets the events of its device and of our own connection, until it is closed', async () => {
    const { registry, live } = someRegistry();
    const watch = registry.watch('lamp');
    const other = registry.watch('lamp');
    live('lamp/$state', 'init');
    live('plug/$state', 'init');
    registry.tellConnection({ value: 'lost', heardAt: performance.now() });
    live('lamp/$state', 'ready');
    watch.close();
    live('lamp/$state', 'lost');

    const seen: unknown[] = [];
    for (let event = await other.next(0); event !== undefined; event = await other.next(0)) seen.push(event.value);
    assert.deepEqual(seen, ['init', 'lost', 'ready', 'lost']);
    assert.equal(await watch.next(0), undefined);
  });
});
