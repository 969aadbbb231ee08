import assert from 'node:assert/strict';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import fc from 'fast-check';
import { readFile } from '../../src/config/file';
import { HomieBroker } from '../../src/homie/broker';
import type { DeviceEvent } from '../../src/homie/device';
import { Inventory } from '../../src/homie/inventory';
import { MAX_DEVICES, Registry } from '../../src/homie/registry';
import { Sight } from '../../src/homie/sight';
import { attributes } from '../../src/homie/values';
import { parseStatus } from '../../src/ota/status';
import { hostileMessages, subTopics } from './hostile';

const RUNS = 200;
const MESSAGES = 500;

function usedHeap(): number {
  setFlagsFromString('--expose-gc');
  const collect: unknown = runInNewContext('gc');
  if (typeof collect === 'function') collect();
  return process.memoryUsage().heapUsed;
}

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
    const inventory = new Inventory(broker);
    const watch = registry.watch('lamp');
    const sight = new Sight({ broker, watch, signal: new AbortController().signal });
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
          while ((await sight.next(0)) !== undefined);
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

  it('50,000 made-up devices take the memory of 20,000, are told of once, and push out none that counts', () => {
    const registry = new Registry('homie/');
    let full = 0;
    registry.on('full', () => (full += 1));
    const say = (id: string, name: string, payload: Buffer, retained: boolean): void =>
      registry.receive(`homie/${id}/${name}`, payload, retained);
    const ready = Buffer.from('ready');
    say('with-a-job', '$state', ready, true);
    const watch = registry.watch('with-a-job');
    say('alive', '$state', ready, false);
    say('idle', '$state', ready, true);

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
    for (const id of ['with-a-job', 'alive']) assert.equal(registry.get(id)?.state?.value, 'ready', id);
    assert.equal(registry.get('idle'), undefined);
    assert.equal(full, 1);
    watch.close();
  });

  it('made-up devices that are alive keep out neither those that are known nor one that a job waits for', () => {
    const registry = new Registry('homie/');
    const say = (id: string, payload: string, retained = false): void =>
      registry.receive(`homie/${id}/$state`, Buffer.from(payload), retained);
    say('known', 'ready', true);
    const known = registry.watch('known');
    for (let i = 0; i < 50_000; i += 1) say(`fake-${i}`, 'ready');
    const expected = registry.watch('expected');
    say('unexpected', 'ready');
    say('expected', 'ready');
    assert.equal(registry.get('known')?.state?.value, 'ready');
    assert.equal(registry.get('expected')?.state?.value, 'ready');
    assert.equal(registry.get('unexpected'), undefined);
    assert.equal(registry.devices.size, MAX_DEVICES + 1);
    for (const watch of [known, expected]) watch.close();
  });

  it('no message makes it look through all devices each time', () => {
    const registry = new Registry('homie/');
    const say = (id: string, retained: boolean): void =>
      registry.receive(`homie/${id}/$state`, Buffer.from('ready'), retained);
    for (let i = 0; i < MAX_DEVICES - 1; i += 1) say(`alive-${i}`, false);
    const begin = performance.now();
    for (let i = 0; i < 20_000; i += 1) say(`fake-${i}`, true);
    // Through 20,000 devices it takes a ms or more each time.
    const ms = performance.now() - begin;
    assert.ok(ms < 5000, `${Math.round(ms)} ms`);
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
