import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readdirSync, readFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import http from 'node:http';
import os from 'node:os';
import path from 'node:path';
import { compileFunction } from 'node:vm';
import helper, { type FlowNode, type NodeModule, type TestNode } from 'node-red-node-test-helper';
import type { NodeMessage } from 'node-red';
import homieBroker from '../../nodes/homie-broker';
import homieConfig from '../../nodes/homie-config';
import homieDevices from '../../nodes/homie-devices';
import homieFirmware from '../../nodes/homie-firmware';
import homieOta from '../../nodes/homie-ota';
import { HomieBroker } from '../../src/homie/broker';
import { DeviceLocks } from '../../src/homie/lock';
import { SimulatedDevice, type DeviceOptions } from '../simulator/device';
import { startAedes, type AedesBroker } from '../support/aedes';
import { root } from '../support/node-red';
import { Inbox, setFlows } from './flow';
import { running, untilHeard } from './scene';

const folder = path.join(root, 'examples');

/** The names of the examples. */
export const examples = readdirSync(folder)
  .filter((file) => file.endsWith('.json'))
  .map((file) => path.basename(file, '.json'))
  .sort();

/** Returns the nodes of an example as they are in its file. */
export function readExample(name: string): FlowNode[] {
  const nodes: FlowNode[] = JSON.parse(readFileSync(path.join(folder, `${name}.json`), 'utf8'));
  return nodes;
}

const runtime = path.dirname(require.resolve(process.env['NODE_RED'] ?? 'node-red'));

/** Files of the core nodes that the examples need. */
const core = [
  'common/20-inject.js',
  'common/21-debug.js',
  'common/60-link.js',
  'common/90-comment.js',
  'function/10-function.js',
  'function/10-switch.js',
  'function/15-change.js',
  'function/89-trigger.js',
  'network/10-mqtt.js',
  'network/21-httpin.js',
  'parsers/70-JSON.js',
  'sequence/17-split.js',
  'storage/10-file.js',
].map((file): NodeModule => require(require.resolve(`@node-red/nodes/core/${file}`, { paths: [runtime] })));

/** One node of each type, because the helper would load a type once for each node in a flow. */
const listeners: FlowNode[] = [
  { id: 'first', type: 'tab' },
  ...['catch', 'complete', 'status'].map((type) => ({ id: type, type, z: 'first', x: 0, y: 0, scope: [], wires: [] })),
];

interface Play {
  /** Values of the environment variables of the flow, including credentials. */
  readonly env?: Readonly<Record<string, string>>;
  /** Other properties of nodes, by name, or by type for nodes without a name. */
  readonly nodes?: Readonly<Record<string, object>>;
  /** Settings of Node-RED. */
  readonly settings?: object;
  /** More nodes beside those of the example. */
  readonly more?: readonly FlowNode[];
}

/** A broker, simulated devices, a folder, and an example that runs in a Node-RED. */
export class Stage {
  static #count = 0;

  readonly folder: string;
  readonly #broker: AedesBroker;
  /**
   * Each stage has its own, because a device that a test left in the middle of an update stays locked in this process.
   */
  readonly #baseTopic = `example-${(Stage.#count += 1)}/`;
  readonly #devices: SimulatedDevice[] = [];
  /** Receives the requests for http in nodes. */
  readonly #server = http.createServer();
  #flow: FlowNode[] = [];
  readonly #inboxes = new Map<string, Inbox>();

  private constructor(broker: AedesBroker, scratch: string) {
    this.#broker = broker;
    this.folder = scratch;
  }

  static async open(): Promise<Stage> {
    const stage = new Stage(await startAedes(), await mkdtemp(path.join(os.tmpdir(), 'homie-ota-example-')));
    await once(stage.#server.listen(0, '127.0.0.1'), 'listening');
    return stage;
  }

  /** The URL of the MQTT broker. */
  get brokerUrl(): string {
    return this.#broker.url;
  }

  /** The base topic of the devices, with its trailing slash. */
  get baseTopic(): string {
    return this.#baseTopic;
  }

  /** Starts a device that runs `running`. */
  async device(id: string, options: Partial<DeviceOptions> = {}): Promise<SimulatedDevice> {
    const device = new SimulatedDevice({
      url: this.#broker.url,
      baseTopic: this.#baseTopic,
      id,
      image: running,
      uptime: 3600,
      statsInterval: 1,
      ...options,
    });
    this.#devices.push(device);
    await device.start();
    return device;
  }

  /** Returns the path of a file in the folder of this stage. */
  file(name: string): string {
    return path.join(this.folder, name);
  }

  /** Deploys an example, and waits until its homie nodes are connected. */
  async play(name: string, { env = {}, nodes = {}, settings = {}, more = [] }: Play = {}): Promise<void> {
    const own = readExample(name).map((node) => ({ ...node, ...this.#own(node, env), ...nodes[nameOf(node)] }));
    this.#flow = [...own, ...more];
    const [tab] = this.#flow;
    const serve: NodeModule = (RED) => void this.#server.on('request', RED.httpNode);
    // An earlier test may have had a user directory.
    helper.settings(settings);
    const homieNodes = [homieBroker, homieConfig, homieDevices, homieFirmware, homieOta];
    await helper.load([serve, ...core, ...homieNodes], listeners, {});
    await setFlows(this.#flow, 'full', { [tab?.id ?? '']: env });
    for (const node of this.#flow.filter(({ type }) => !['tab', 'group'].includes(type))) {
      assert.equal(helper.getNode(node.id)?.type, node.type, `${node.type} ${nameOf(node)} is there`);
    }
    for (const node of this.#flow.filter(({ type }) => type === 'debug')) {
      this.#inboxes.set(nameOf(node), new Inbox(helper.getNode(node.id)));
    }
    const homie = this.#flow.filter(({ type }) => /^homie-(?!broker|firmware)/.test(type));
    await Promise.all(homie.map(({ id }) => connected(helper.getNode(id))));
    for (const { id } of this.#flow.filter(({ type }) => type === 'homie-broker')) {
      const broker: unknown = Reflect.get(Object(Reflect.get(helper.getNode(id), 'link')), 'broker');
      if (broker instanceof HomieBroker) await untilHeard(broker, this.#devices);
    }
    assert.deepEqual(this.errors(), []);
  }

  /** Triggers an inject node. */
  press(name: string): void {
    this.send('inject', name, {});
  }

  /** Sends a message to a node. */
  send(type: string, name: string, msg: object): void {
    helper.getNode(this.#find(type, name)).receive({ ...msg });
  }

  /** Returns the inbox of a debug node. */
  shown(name: string): Inbox {
    const inbox = this.#inboxes.get(name);
    assert.ok(inbox !== undefined, `there is no debug node ${name}`);
    return inbox;
  }

  /** Returns all messages of debug nodes as text. */
  everything(): string {
    const texts = [...this.#inboxes.values()].flatMap(({ messages }) =>
      messages.map((msg) => JSON.stringify(plain(msg))),
    );
    return [...texts, this.log()].join('\n');
  }

  /** Returns the log as text. */
  log(): string {
    return helper
      .log()
      .args.map(([entry]) => String(entry.msg))
      .join('\n');
  }

  /** Returns the errors in the log. */
  errors(): string[] {
    const ERROR = 20;
    return helper
      .log()
      .args.filter(([entry]) => entry.level === ERROR)
      .map(([entry]) => String(entry.msg));
  }

  /** Sends a request to Node-RED. */
  request(route: string, init: RequestInit = {}): Promise<Response> {
    return fetch(this.url(route), init);
  }

  /** Returns the address at which Node-RED takes requests for a path. */
  url(route: string): string {
    const address = this.#server.address();
    assert.ok(typeof address === 'object');
    return `http://127.0.0.1:${address?.port}${route}`;
  }

  /** Sends a POST request with only the first byte of its body. @returns the status of the answer */
  async statusOfBegun(url: string, headers: Readonly<Record<string, string>>): Promise<number | undefined> {
    const address = this.#server.address();
    assert.ok(typeof address === 'object');
    const request = http.request({ host: '127.0.0.1', port: address?.port, path: url, method: 'POST', headers });
    request.setHeader('content-type', 'application/octet-stream');
    request.write('a');
    const [answer]: http.IncomingMessage[] = await once(request, 'response');
    request.destroy();
    return answer?.statusCode;
  }

  /** Ends everything: the next stage may have devices with the same ids. */
  async close(): Promise<void> {
    await helper.unload();
    this.#server.closeAllConnections();
    this.#server.close();
    for (const device of this.#devices) await device.stop();
    await this.#broker.close();
    DeviceLocks.reset();
    await rm(this.folder, { recursive: true, force: true });
  }

  #own(node: FlowNode, env: Readonly<Record<string, string>>): object {
    switch (node.type) {
      case 'homie-broker':
        return { host: '127.0.0.1', port: String(this.#broker.port), baseTopic: this.#baseTopic };
      case 'mqtt-broker':
        return { broker: '127.0.0.1', port: String(this.#broker.port) };
      case 'file in':
        return node['filenameType'] === 'str' ? { filename: this.file('firmware.bin') } : {};
      case 'tab':
        return {
          env: variables(node).map((each) => ({ ...each, ...(each.name in env && { value: env[each.name] }) })),
        };
      default:
        return {};
    }
  }

  #find(type: string, name: string): string {
    const node = this.#flow.find((each) => each.type === type && each['name'] === name);
    assert.ok(node !== undefined, `there is no ${type} ${name}`);
    return node.id;
  }
}

/** Waits until a node shows that it is connected; a homie-devices, that it knows all devices. */
function connected(node: TestNode): Promise<void> {
  const sign = node.type === 'homie-devices' ? /^\d+\/\d+$/ : /connected$/;
  return new Promise((resolve) => {
    const look = (): void => {
      const shown = node.status.getCalls().filter(({ thisValue }) => thisValue === node);
      if (!shown.some(({ args: [{ fill, text = '' }] }) => fill === 'green' && sign.test(text))) return;
      node.off('call:status', look);
      resolve();
    };
    node.on('call:status', look);
    look();
  });
}

function variables(node: FlowNode): { readonly name: string; readonly value: string; readonly type: string }[] {
  const { env } = node;
  return Array.isArray(env) ? env : [];
}

function nameOf({ type, name }: FlowNode): string {
  return typeof name === 'string' && name !== '' ? name : type;
}

/** Returns a message without the HTTP request and response, which are circular. */
function plain(msg: NodeMessage): object {
  return Object.fromEntries(Object.entries(msg).filter(([property]) => property !== 'req' && property !== 'res'));
}

/** Returns the code of a function node of an example, as a function of the names that it uses. */
export function functionOf(
  example: string,
  name: string,
  ...names: readonly string[]
): (...values: unknown[]) => unknown {
  const node = readExample(example).find((each) => each.type === 'function' && each['name'] === name);
  const made = compileFunction(String(node?.['func']), names);
  return (...values) => Reflect.apply(made, undefined, values);
}
