import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { SimulatedDevice, type DeviceOptions } from '../simulator/device';
import { startAedes, type AedesBroker } from '../support/aedes';
import { runtimes } from '../support/editor';
import { buildEsp8266Image } from '../support/images';
import { root, startNodeRed, type NodeRed } from '../support/node-red';

const running = buildEsp8266Image({ name: 'my-light', version: '1.0.0', size: 60_000, seed: 1 });
const next = buildEsp8266Image({ name: 'my-light', version: '1.1.0', size: 80_000, seed: 2 });
const plug = buildEsp8266Image({ name: 'my-plug', version: '1.0.0', size: 60_000, seed: 3 });

type Node = Readonly<Record<string, unknown>>;

for (const { title, options } of runtimes.filter(({ dark }) => !dark)) {
  describe(`an example in ${title}`, () => {
    let folder: string;
    let broker: AedesBroker;
    let nodeRed: NodeRed;
    let flow: Node[];
    const devices: SimulatedDevice[] = [];

    beforeEach(async () => {
      folder = await mkdtemp(path.join(os.tmpdir(), 'homie-ota-example-'));
      await writeFile(path.join(folder, 'firmware.bin'), next);
      broker = await startAedes();
    });
    afterEach(async () => {
      await nodeRed.stop();
      for (const device of devices.splice(0)) await device.stop();
      await broker.close();
      await rm(folder, { recursive: true, force: true });
    });

    const device = async (id: string, more: Partial<DeviceOptions> = {}): Promise<SimulatedDevice> => {
      const made = new SimulatedDevice({ url: broker.url, id, image: running, uptime: 3600, ...more });
      devices.push(made);
      await made.start();
      return made;
    };
    /** Starts Node-RED with an example in which only the addresses are right, and some settings of its homie-ota. */
    const play = async (name: string, settings: Node): Promise<void> => {
      const example: Node[] = JSON.parse(await readFile(path.join(root, 'examples', `${name}.json`), 'utf8'));
      flow = example.map((node) => {
        switch (node['type']) {
          case 'homie-broker':
            return { ...node, host: '127.0.0.1', port: String(broker.port) };
          case 'file in':
            return { ...node, filename: path.join(folder, 'firmware.bin') };
          case 'debug':
            return { ...node, console: true };
          case 'homie-ota':
            return { ...node, ...settings };
          default:
            return node;
        }
      });
      nodeRed = await startNodeRed({ ...options, flows: flow });
    };
    const press = async (name: string): Promise<void> => {
      const button = flow.find((node) => node['type'] === 'inject' && node['name'] === name);
      const { status } = await fetch(`${nodeRed.url}/inject/${String(button?.['id'])}`, { method: 'POST' });
      assert.equal(status, 200, name);
    };
    /** Resolves when a debug node has shown this. */
    const shown = (debug: string, text: string): Promise<string> =>
      nodeRed.logged(new RegExp(`\\[debug:${debug}\\](?:(?!\\[debug:)[^])*${text}`));

    it('updates every night all devices that run the firmware', async () => {
      const [a, b, other] = [await device('a'), await device('b'), await device('plug', { image: plug })];
      await play('Nightly update of all devices', { soak: '1', window: '00:00-24:00' });
      await press('check');
      await shown('summary', "'2 devices: 2 update\\.'");
      await press('every night');
      await shown('summary', "'2 devices: 2 updated \\(a, b\\)\\.'");
      assert.deepEqual([a.received.length, b.received.length, other.received.length], [1, 1, 0]);
      assert.doesNotMatch(nodeRed.log(), /debug:wake me/);
    });

    it('wakes somebody when a device fails, leaves the others alone, and goes on by retry', async () => {
      const bad = await device('a', { misbehaviour: { comesBackWith: running } });
      const good = await device('b');
      await play('Nightly update of all devices', { soak: '1', window: '00:00-24:00' });
      await press('every night');
      await shown('wake me', 'Too many devices failed, so no more are started\\.');
      assert.deepEqual([bad.received.length, good.received.length], [1, 0]);

      bad.misbehaviour = {};
      await press('retry');
      await shown('summary', "'Tried again: a\\.'");
      await shown('summary', "'2 devices: 2 updated \\(a, b\\)\\.'");
      assert.deepEqual([bad.received.length, good.received.length], [2, 1]);
    });

    it('wakes somebody when there is no firmware', async () => {
      await rm(path.join(folder, 'firmware.bin'));
      await play('Nightly update of all devices', {});
      await press('every night');
      await shown('wake me', 'The firmware cannot be read: .*ENOENT');
    });

    it('steers a rollout', async () => {
      const [garden, hall] = [await device('garden-light'), await device('hall-light')];
      await play('Steer a rollout', { canary: '0', order: 'id', spacing: '3600' });
      await press('check');
      await shown('summary', "'2 devices: 2 update\\.'");
      await press('pause');
      await shown('summary', "'No job is under way\\.'");
      await press('update');
      await shown('result', "device: 'garden-light',\\s+state: 'succeeded'");
      await press('pause');
      await shown('summary', "'Paused: what runs is finished");
      await press('status');
      await shown('summary', "state: 'paused'");
      await press('cancel one');
      await shown('summary', "'Nothing was left to cancel\\.'");
      await press('resume');
      await shown('summary', "'Goes on\\.'");
      await press('cancel');
      await shown('summary', "'Canceled: hall-light\\.'");
      await press('retry');
      await shown('summary', "'Nothing was left to retry\\.'");
      assert.deepEqual([garden.received.length, hall.received.length], [1, 0]);
    });
  });
}
