import assert from 'node:assert/strict';
import fc from 'fast-check';
import { readFile } from '../../src/config/file';
import { HomieBroker } from '../../src/homie/broker';
import type { DeviceEvent } from '../../src/homie/device';
import { Inventory } from '../../src/devices/inventory';
import { MAX_DEVICES } from '../../src/homie/device';
import { Registry } from '../../src/homie/registry';
import { DeviceObserver } from '../../src/homie/device-observer';
import { subscriptions } from '../../src/homie/topics';
import { attributes } from '../../src/homie/values';
import { parseStatus } from '../../src/ota/status';
import { Queue } from '../../src/rollout/queue';
import { usedHeap } from '../support/garbage';
import { hostileMessages, subTopics } from './hostile';

const RUNS = 200;
const MESSAGES = 500;

const checksum = '0123456789abcdef0123456789abcdef';

/** What the parts of the package make of an event. Each must be as its type says. */
function digest(event: DeviceEvent): void {
  if (event.attribute === 'config') readFile(event.value);
  if (event.attribute !== 'otaStatus') return;
  for (const implementation of ['esp8266', 'esp32', '__proto__']) {
    const status = parseStatus(event.value, implementation);
    if (status?.kind === 'refused') structuredClone(status);
  }
}

/** Bytes of a value that is kept. */
function bytesOf(value: unknown): number {
  return typeof value === 'string' ? value.length : 0;
}

describe('Whatever is published under the base topic,', () => {
  it(`${RUNS * MESSAGES} messages of it, nothing throws, nothing is polluted, and no value is too long`, async () => {
    const broker = new HomieBroker({ url: 'mqtt://127.0.0.1:1', protocolVersion: 5, baseTopic: 'fuzzed' });
    const { registry } = broker;
    const inventory = new Inventory(broker, Queue.of(broker).updates);
    const watch = registry.watch('lamp');
    const observer = new DeviceObserver({ broker, watch, signal: new AbortController().signal });
    registry.on('event', (_id, event) => digest(event));
    inventory.start();
    let received = 0;
    await fc.assert(
      fc.asyncProperty(
        fc.array(hostileMessages('fuzzed/', ['lamp', 'plug']), {
          minLength: MESSAGES,
          maxLength: MESSAGES,
          size: 'max',
        }),
        async (messages) => {
          for (const { topic, payload, retained } of messages) registry.receive(topic, payload, retained);
          received += messages.length;
          while ((await observer.next(0)) !== undefined);
          assert.ok(registry.devices.size <= MAX_DEVICES);
          for (const name of ['polluted', 'value', 'live']) assert.ok(!(name in {}), name);
        },
      ),
      { numRuns: RUNS, endOnFailure: true },
    );
    assert.ok(received >= 100_000);
    for (const device of registry.devices.values()) {
      for (const attribute of attributes) {
        const most = attribute === 'config' ? 4096 : 256;
        assert.ok(bytesOf(device[attribute]?.value) <= most, attribute);
      }
    }
    inventory.close();
    watch.close();
    await broker.close();
  });

  it('50,000 made-up devices take the memory of 20,000, are reported once, and push out none that counts', () => {
    const registry = new Registry('homie/');
    let full = 0;
    registry.on('full', () => (full += 1));
    const say = (id: string, name: string, payload: Buffer, retained: boolean): void =>
      registry.receive(`homie/${id}/${name}`, payload, retained);
    const ready = Buffer.from('ready');
    say('with-a-job', '$state', ready, true);
    const watch = registry.watch('with-a-job');
    say('with-a-checksum', '$fw/checksum', Buffer.from(checksum), true);
    say('idle', '$state', ready, true);
    assert.equal(registry.isFull, false);

    const before = usedHeap();
    const [config, name] = [Buffer.alloc(4096, 'x'), Buffer.alloc(256, 'x')];
    for (let i = 0; i < 50_000; i += 1) {
      say(`fake-${i}`, '$implementation/config', config, i % 2 === 0);
      say(`fake-${i}`, '$name', name, i % 2 === 0);
      say(`fake-${i}`, '$state', ready, true);
    }
    const bytes = (usedHeap() - before) / MAX_DEVICES;
    assert.ok(bytes < 4096 + 256 + 1024, `${Math.round(bytes)} bytes a device`);
    assert.ok(registry.devices.size <= MAX_DEVICES);
    for (const id of ['with-a-job', 'with-a-checksum']) assert.ok(registry.devices.has(id), id);
    assert.equal(registry.get('idle'), undefined);
    assert.equal(full, 1);
    assert.equal(registry.isFull, true);
    watch.close();
  });

  /** What a real device has retained, in the order in which it is subscribed to. */
  const followed = subscriptions('homie/').map((filter) => filter.slice('homie/+/'.length));
  const real: Readonly<Record<string, string>> = {
    $homie: '3.0.1',
    $name: 'Lamp',
    $mac: 'AA:BB:CC:DD:EE:FF',
    '$fw/name': 'my-light',
    '$fw/version': '1.0.0',
    '$fw/checksum': checksum,
    $implementation: 'esp8266',
    $state: 'ready',
  };
  const ids = Array.from({ length: 300 }, (_none, index) => `real-${index}`);

  it('21,000 made-up devices with a live state push out none of 300 real ones, and keep no new one out', () => {
    const registry = new Registry('homie/');
    const say = (id: string, name: string, text: string, retained: boolean): void =>
      registry.receive(`homie/${id}/${name}`, Buffer.from(text), retained);
    for (const id of ids) for (const [name, text] of Object.entries(real)) say(id, name, text, true);
    // Another Homie than that of the ESP8266 has no checksum.
    for (const [name, text] of Object.entries(real)) if (name !== '$fw/checksum') say('other', name, text, true);
    for (let i = 0; i < 21_000; i += 1) say(`fake-${i}`, '$state', 'ready', false);
    for (const id of [...ids, 'other']) assert.equal(registry.get(id)?.state?.value, 'ready', id);
    for (const [name, text] of Object.entries(real)) say('new', name, text, false);
    for (let i = 0; i < 21_000; i += 1) say(`more-${i}`, '$state', 'ready', false);
    for (const id of [...ids, 'new']) assert.equal(registry.get(id)?.checksum?.value, checksum, id);
    assert.ok(registry.devices.size <= MAX_DEVICES);
    // After a reconnect it is not known which devices are there, but all else.
    registry.forgetStates();
    for (let i = 0; i < 21_000; i += 1) say(`again-${i}`, '$state', 'ready', true);
    for (const id of [...ids, 'other']) say(id, '$state', 'ready', true);
    for (const id of [...ids, 'other']) assert.equal(registry.get(id)?.fwName?.value, 'my-light', id);
  });

  it('21,000 made-up devices that are retained leave all that is retained of 300 real ones', () => {
    const registry = new Registry('homie/');
    const fakes = Array.from({ length: 21_000 }, (_none, index) => `fake-${index}`);
    for (const name of followed) {
      const text = real[name];
      if (text === undefined) continue;
      const has = (id: string): boolean => id.startsWith('real') || name === '$homie' || name === '$state';
      for (const id of [...ids, ...fakes])
        if (has(id)) registry.receive(`homie/${id}/${name}`, Buffer.from(text), true);
    }
    for (const id of ids) {
      const { homie, name, mac, fwName, fwVersion, state } = registry.get(id) ?? {};
      for (const fact of [homie, name, mac, fwName, fwVersion, state]) assert.notEqual(fact, undefined, id);
    }
  });

  it('made-up devices with a checksum push out none that is known, and keep out none that a job or the history has', () => {
    const registry = new Registry('homie/');
    const say = (id: string, name: string, text: string): void =>
      registry.receive(`homie/${id}/${name}`, Buffer.from(text), false);
    const release = registry.protect((id) => id === 'updated-once');
    say('known', '$fw/checksum', checksum);
    say('updated-once', '$state', 'ready');
    for (let i = 0; i < 50_000; i += 1) say(`fake-${i}`, '$fw/checksum', checksum);
    for (const id of ['known', 'updated-once']) assert.ok(registry.devices.has(id), id);
    const expected = registry.watch('expected');
    for (const id of ['unexpected', 'expected']) say(id, '$state', 'ready');
    assert.equal(registry.get('unexpected'), undefined);
    assert.equal(registry.get('expected')?.state?.value, 'ready');
    // It was cleared at the broker, and comes back.
    registry.receive('homie/updated-once/$state', Buffer.alloc(0), false);
    assert.equal(registry.get('updated-once'), undefined);
    say('updated-once', '$state', 'ready');
    assert.ok(registry.devices.has('updated-once'));
    release();
    expected.close();
    assert.ok(registry.devices.size <= MAX_DEVICES + 2);
  });

  it('no message makes it look through all devices each time', () => {
    for (const [title, name, text] of [
      ['alive', '$state', 'ready'],
      ['with a checksum', '$fw/checksum', checksum],
    ] as const) {
      const registry = new Registry('homie/');
      const say = (id: string, topic: string, value: string): void =>
        registry.receive(`homie/${id}/${topic}`, Buffer.from(value), false);
      for (let i = 0; i < MAX_DEVICES - 1; i += 1) say(`known-${i}`, name, text);
      const begin = process.cpuUsage();
      for (let i = 0; i < 20_000; i += 1) say(`fake-${i}`, '$state', 'ready');
      // Through 20,000 devices it takes a ms or more each time.
      const ms = process.cpuUsage(begin).user / 1000;
      assert.ok(ms < 5000, `${title}: ${Math.round(ms)} ms`);
    }
    const registry = new Registry('homie/');
    registry.protect((id) => id.startsWith('known'));
    for (let i = 0; i < 40_000; i += 1) {
      registry.receive(`homie/${i < 20_000 ? 'known' : 'fake'}-${i}/$state`, Buffer.from('ready'), false);
    }
    assert.ok(registry.devices.has('known-0'));
  });

  it('nobody who reads late keeps more than the last of it', () => {
    const registry = new Registry('homie/');
    const before = usedHeap();
    const watches = Array.from({ length: 20 }, (_none, index) => registry.watch(`lamp-${index}`));
    for (let i = 0; i < 2000; i += 1) {
      const config = Buffer.from(String(i).padEnd(4096, 'é'));
      for (let lamp = 0; lamp < 20; lamp += 1)
        registry.receive(`homie/lamp-${lamp}/${subTopics[8] ?? ''}`, config, false);
    }
    const bytes = (usedHeap() - before) / 20;
    assert.ok(bytes < 1024 * 1024, `${Math.round(bytes)} bytes a watch`);
    for (const watch of watches) watch.close();
  });
});
