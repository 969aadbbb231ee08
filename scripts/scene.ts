/** The scene of demo, playground and screenshots: a broker, simulated devices, and a Node-RED with the package. */
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { SimulatedDevice, type DeviceOptions } from '../test/simulator/device';
import { startAedes } from '../test/support/aedes';
import { root, startNodeRed, type NodeRed } from '../test/support/node-red';

const fixtures = path.join(root, 'test/fixtures/firmware');

/** Paths of two versions of the same firmware. */
export const firmware = {
  old: path.join(fixtures, 'my-light-1.0.0.bin'),
  new: path.join(fixtures, 'my-light-1.1.0.bin'),
};

interface Scene {
  /** URL of the broker. */
  readonly mqttUrl: string;
  readonly nodeRed: NodeRed;
  readonly devices: readonly SimulatedDevice[];
  /** Ends everything that was started. */
  close(): Promise<void>;
}

interface SceneOptions {
  /** Port of Node-RED. Default: a free one. */
  readonly port?: number | undefined;
  /** Devices in addition to the three, with the old firmware by default. */
  readonly more?: readonly (Partial<DeviceOptions> & { readonly id: string })[];
  /** Settings of the homie-ota nodes that replace those of the examples. */
  readonly ota?: FlowNode;
  /** The folder in which homie-firmware searches for images. */
  readonly folder?: string;
}

/**
 * Starts the scene: `kitchen-light` and `garden-light` run the old firmware, `hall-light` the new one.
 *
 * @param examples names of flows in examples/ and scripts/flows/, each of which gets a tab
 * @throws {Error} if the package is not built
 */
export async function setScene(
  examples: readonly string[],
  { port, more = [], ota = {}, folder }: SceneOptions = {},
): Promise<Scene> {
  if (!existsSync(path.join(root, 'dist/nodes/homie-ota.js')))
    throw new Error('dist/ is missing: run `npm run build`.');
  const opened: (() => Promise<void>)[] = [];
  const close = async (): Promise<void> => {
    for (const end of opened.splice(0).toReversed()) await end();
  };
  closeOnSignals(close);
  try {
    const broker = await startAedes();
    opened.push(() => broker.close());

    const [old, fresh] = await Promise.all([readFile(firmware.old), readFile(firmware.new)]);
    const devices = [
      { id: 'kitchen-light', name: 'Kitchen light', image: old, uptime: 43_200 },
      { id: 'hall-light', name: 'Hall light', image: fresh, uptime: 7_200 },
      { id: 'garden-light', name: 'Garden light', image: old, uptime: 259_200 },
      ...more.map((options) => ({ image: old, ...options })),
    ].map((options) => new SimulatedDevice({ url: broker.url, ...pace, ...options }));
    for (const each of devices) opened.push(() => each.stop());
    await Promise.all(devices.map((each) => each.start()));

    const flows = await Promise.all(examples.map((name) => example(name, { port: broker.port, ota, folder })));
    const nodeRed = await startNodeRed({
      runtime: 'node-red',
      // All examples have the same homie-broker.
      flows: [...new Map(flows.flat().map((node) => [node['id'], node])).values()],
      ...(port !== undefined && { port }),
    });
    opened.push(() => nodeRed.stop());
    return { mqttUrl: broker.url, nodeRed, devices, close };
  } catch (error) {
    await close();
    throw error;
  }
}

/** Options that make an update take some seconds, as on real devices. */
const pace = { flashDelay: 45, bootDelay: 1_500, statsInterval: 10 };

type FlowNode = Readonly<Record<string, unknown>>;

/** Returns a flow of examples/ or scripts/flows/ with the broker, the devices and the file of the scene. */
async function example(
  name: string,
  { port, ota, folder }: { readonly port: number; readonly ota: FlowNode; readonly folder: string | undefined },
): Promise<FlowNode[]> {
  const [file = ''] = ['examples', 'scripts/flows']
    .map((within) => path.join(root, within, `${name}.json`))
    .filter((each) => existsSync(each));
  const flow: FlowNode[] = JSON.parse(await readFile(file, 'utf8'));
  return flow.map((node) => {
    switch (node['type']) {
      case 'homie-broker':
        return { ...node, host: '127.0.0.1', port: String(port) };
      case 'mqtt-broker':
        return { ...node, broker: '127.0.0.1', port: String(port) };
      case 'homie-ota':
        return { ...node, ...ota, device: here(node['device']) };
      case 'homie-config':
        return { ...node, device: here(node['device']) };
      case 'homie-firmware':
        return { ...node, ...(folder !== undefined && { folder }) };
      case 'file in':
        return { ...node, filename: firmware.new };
      default:
        return node;
    }
  });
}

function here(device: unknown): unknown {
  return device === 'my-light' ? 'kitchen-light' : device;
}

function closeOnSignals(close: () => Promise<void>): void {
  const signals = { SIGINT: 130, SIGTERM: 143, SIGHUP: 129 } as const;
  for (const [signal, code] of Object.entries(signals)) {
    process.once(signal, () => {
      void close().finally(() => process.exit(code));
    });
  }
}
