import assert from 'node:assert/strict';
import { EventEmitter, on, once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import http from 'node:http';
import os from 'node:os';
import path from 'node:path';
import helper, { type FlowNode, type NodeModule, type TestNode } from 'node-red-node-test-helper';
import type { NodeMessage, NodeStatus } from 'node-red';
import homieBroker from '../../nodes/homie-broker';
import homieConfig from '../../nodes/homie-config';
import homieDevices from '../../nodes/homie-devices';
import homieFirmware from '../../nodes/homie-firmware';
import homieOta from '../../nodes/homie-ota';
import { HomieBroker } from '../../src/homie/broker';
import { Queue } from '../../src/rollout/queue';
import type { Reason, Update } from '../../src/update/update';
import { SimulatedDevice, type DeviceOptions } from '../simulator/device';
import { startAedes, type AedesBroker } from '../support/aedes';
import { core, listeners } from './examples-core';
import { nameOf, readExample, variables } from './example-files';
import { Inbox, setFlows } from './flow';
import { running, untilHeard } from './scene';
import { resetLocks } from '../support/locks';
import { untilTrue } from '../support/until-true';

interface Play {
  /** Values of the environment variables of the flow, including credentials. */
  readonly env?: Readonly<Record<string, string>>;
  /** Other properties of nodes, by name, or by type for nodes without a name. */
  readonly nodes?: Readonly<Record<string, object>>;
  /** Credentials of nodes, by name. */
  readonly credentials?: Readonly<Record<string, object>>;
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
   * The base topic of the devices, with its trailing slash. Each stage has its own, because a device that a test left in the middle of an update stays locked in this process.
   */
  readonly baseTopic = `example-${(Stage.#count += 1)}/`;
  readonly #devices: SimulatedDevice[] = [];
  /** Receives the requests for http in nodes. */
  readonly #server = http.createServer();
  #flow: FlowNode[] = [];
  /** The updates of devices so far. */
  readonly #updates: Update[] = [];
  readonly #progress = new EventEmitter<{ update: [] }>();
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

  /** Starts a device that runs `running`. */
  async device(id: string, options: Partial<DeviceOptions> = {}): Promise<SimulatedDevice> {
    const device = new SimulatedDevice({
      url: this.#broker.url,
      baseTopic: this.baseTopic,
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

  /** Publishes a retained message below the topic of a device, as its firmware would. */
  publish(device: string, topic: string, payload: string): void {
    const packet = { topic: this.#topic(device, topic), payload, retain: true, dup: false };
    this.#broker.aedes.publish({ ...packet, cmd: 'publish', qos: 0 }, () => undefined);
  }

  /** Waits until a client subscribes to a topic of a device. */
  async subscribed(device: string, topic: string): Promise<void> {
    const wanted = this.#topic(device, topic);
    for await (const [subscriptions] of on(this.#broker.aedes, 'subscribe')) {
      if (subscriptions.some((each: { topic: string }) => each.topic === wanted)) return;
    }
  }

  /** Waits until a device was updated. */
  async updated(device: string): Promise<void> {
    await this.#reaches((update) => update.device === device && update.state === 'succeeded');
  }

  /** Waits until a device waits for this reason. */
  async waiting(device: string, reason: Reason): Promise<void> {
    await this.#reaches((update) => update.device === device && update.reason === reason);
  }

  /** Deploys an example, and waits until its homie nodes are connected. */
  async play(name: string, play: Play = {}): Promise<void> {
    const { env = {}, nodes = {}, credentials = {}, settings = {}, more = [] } = play;
    const own = readExample(name).map((node) => ({ ...node, ...this.#own(node, env), ...nodes[nameOf(node)] }));
    this.#flow = [...own, ...more];
    const [tab] = this.#flow;
    const serve: NodeModule = (RED) => void this.#server.on('request', RED.httpNode);
    // An earlier test may have had a user directory.
    helper.settings(settings);
    const homieNodes = [homieBroker, homieConfig, homieDevices, homieFirmware, homieOta];
    await helper.load([serve, ...core, ...homieNodes], listeners, {});
    const secrets = this.#flow.map((node) => [node.id, credentials[nameOf(node)] ?? {}] as const);
    await setFlows(this.#flow, 'full', { ...Object.fromEntries(secrets), [tab?.id ?? '']: env });
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
      if (!(broker instanceof HomieBroker)) continue;
      await untilHeard(broker, this.#devices);
      this.#follow(broker);
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

  /** Waits until the status of a node has this text. */
  async showed(name: string, text: string): Promise<void> {
    const node = helper.getNode(this.#flow.find((each) => nameOf(each) === name)?.id ?? '');
    await untilStatus(node, (status) => status.text === text);
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
    resetLocks();
    await rm(this.folder, { recursive: true, force: true });
  }

  async #reaches(fits: (update: Update) => boolean): Promise<void> {
    await untilTrue(this.#progress, 'update', () => this.#updates.some(fits));
  }

  #follow(broker: HomieBroker): void {
    Queue.of(broker).on('job', (job) => {
      const keep = (update: Update): void => {
        this.#updates.push(update);
        this.#progress.emit('update');
      };
      job.on('progress', keep).on('result', keep);
    });
  }

  #topic(device: string, topic: string): string {
    return `${this.baseTopic}${device}/${topic}`;
  }

  #own(node: FlowNode, env: Readonly<Record<string, string>>): object {
    switch (node.type) {
      case 'homie-broker':
        return { host: '127.0.0.1', port: String(this.#broker.port), baseTopic: this.baseTopic };
      case 'mqtt-broker':
        return { broker: '127.0.0.1', port: String(this.#broker.port) };
      case 'homie-firmware':
        return node['source'] === 'folder' ? { folder: this.folder } : {};
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
  const sign = node.type === 'homie-devices' ? /^\d+\/\d+$/ : /^connected$/;
  return untilStatus(node, ({ fill, text = '' }) => fill === 'green' && sign.test(text));
}

/** Waits until a node has shown such a status. */
function untilStatus(node: TestNode, fits: (status: NodeStatus) => boolean): Promise<void> {
  return new Promise((resolve) => {
    const look = (): void => {
      const shown = node.status.getCalls().filter(({ thisValue }) => thisValue === node);
      if (!shown.some(({ args: [status] }) => fits(status))) return;
      node.off('call:status', look);
      resolve();
    };
    node.on('call:status', look);
    look();
  });
}

/** Returns a message without the HTTP request and response, which are circular. */
function plain(msg: NodeMessage): object {
  return Object.fromEntries(Object.entries(msg).filter(([property]) => property !== 'req' && property !== 'res'));
}
