import { once, type EventEmitter } from 'node:events';
import path from 'node:path';
import helper, { type FlowNode, type NodeModule, type TestNode } from 'node-red-node-test-helper';
import type { NodeMessage, NodeStatus } from 'node-red';
import homieBroker from '../../nodes/homie-broker';
import homieConfig from '../../nodes/homie-config';
import homieDevices from '../../nodes/homie-devices';
import homieFirmware from '../../nodes/homie-firmware';
import homieOta from '../../nodes/homie-ota';
import { errorStatus } from '../../nodes/shared/job-status';
import { SidebarJobs } from '../../nodes/shared/sidebar-jobs';
import type { ErrorCode } from '../../src/errors';
import { HomieBroker } from '../../src/homie/broker';
import { SETTINGS_VERSION } from '../../src/settings/migrations';

const runtime = require.resolve(process.env['NODE_RED'] ?? 'node-red');
helper.init(runtime);

const { events, hooks }: typeof import('@node-red/util') & { readonly events: EventEmitter } = require(
  require.resolve('@node-red/util', { paths: [path.dirname(runtime)] }),
);

/** Files of the core nodes that a flow may contain, by type. */
const core: Readonly<Record<string, string>> = {
  'mqtt-broker': 'network/10-mqtt.js',
  'tls-config': 'network/05-tls.js',
  change: 'function/15-change.js',
};

/** The messages that arrived at a place of the flow, in order. */
export class Inbox {
  readonly messages: NodeMessage[] = [];
  readonly #waiting = new Set<() => void>();

  constructor(node: TestNode) {
    node.on('input', (msg: NodeMessage) => {
      this.messages.push(msg);
      for (const look of this.#waiting) look();
    });
  }

  /** Waits for the first message that matches. */
  first(fits: (msg: NodeMessage) => boolean = () => true): Promise<NodeMessage> {
    return this.nth(1, fits);
  }

  /** Waits for the nth message that matches. */
  nth(count: number, fits: (msg: NodeMessage) => boolean = () => true): Promise<NodeMessage> {
    return new Promise((resolve) => {
      const look = (): void => {
        const found = this.messages.filter(fits)[count - 1];
        if (found === undefined) return;
        this.#waiting.delete(look);
        resolve(found);
      };
      this.#waiting.add(look);
      look();
    });
  }
}

export interface FlowOptions {
  readonly more?: FlowNode[];
  readonly credentials?: Record<string, object>;
  /** User directory in which jobs are stored. Default: jobs are not stored. */
  readonly userDir?: string;
}

/**
 * A flow in a Node-RED, with a node with jobs (`homie-ota` by default), and an inbox at each of its outputs, at a catch
 * and at a complete node.
 */
export class TestFlow {
  readonly result = new Inbox(helper.getNode('result'));
  readonly progress = new Inbox(helper.getNode('progress'));
  readonly summary = new Inbox(helper.getNode('summary'));
  readonly caught = new Inbox(helper.getNode('caught'));
  readonly completed = new Inbox(helper.getNode('completed'));
  /** Each call of `done` by the node, even while the node is being stopped, with its error if there is one. */
  readonly dones: { code: unknown }[] = [];
  readonly #ota = helper.getNode('ota');
  readonly #done = new Set<() => void>();

  constructor() {
    hooks.remove('*.test');
    hooks.add('onComplete.test', ({ error, node }) => {
      if (node.id !== 'ota') return;
      this.dones.push({ code: Reflect.get(Object(error), 'code') });
      for (const look of this.#done) look();
    });
  }

  /**
   * Starts a flow.
   *
   * @param broker properties of the homie-broker `broker`
   * @param ota properties of the node `ota`, which is a homie-ota unless they name another type
   */
  static async start(
    broker: object,
    ota: object = {},
    { more = [], credentials = {}, userDir }: FlowOptions = {},
  ): Promise<TestFlow> {
    helper.settings(userDir === undefined ? {} : { userDir });
    const modules: NodeModule[] = [homieBroker, homieOta, homieConfig, homieDevices, homieFirmware];
    for (const type of new Set(more.map((node) => node.type))) {
      const file = core[type];
      if (file !== undefined) modules.push(coreNode(file));
    }
    const flow = [...more.map(withVersion), ...nodes(broker, ota)];
    await helper.load(modules, flow, credentials);
    return new TestFlow();
  }

  /** Deploys the flow again with other properties. */
  async deploy(
    broker: object,
    ota: object = {},
    more: FlowNode[] = [],
    type: 'full' | 'flows' | 'nodes' = 'full',
  ): Promise<TestFlow> {
    await setFlows([...more.map(withVersion), ...nodes(broker, ota)], type, {});
    return new TestFlow();
  }

  /** Waits until `done` was called `count` times. */
  done(count = 1): Promise<void> {
    return new Promise((resolve) => {
      const look = (): void => {
        if (this.dones.length < count) return;
        this.#done.delete(look);
        resolve();
      };
      this.#done.add(look);
      look();
    });
  }

  /** Sends a message to the node. */
  send(msg: object): void {
    this.#ota.receive({ ...msg });
  }

  /** Sends a message to another node of the flow. */
  sendTo(id: string, msg: object): void {
    helper.getNode(id).receive({ ...msg });
  }

  /** Sends a request to the admin API, as the editor does. */
  async post(url: string, body: object): Promise<{ readonly status: number; readonly body: unknown }> {
    const { status, body: answer } = await helper.request().post(url).send(body);
    return { status, body: answer };
  }

  /** Whether the `homie-broker` exists. */
  get isDeployed(): boolean {
    return (helper.getNode('broker') ?? undefined) !== undefined;
  }

  /** The broker that the `homie-broker` provides to its nodes. */
  get broker(): HomieBroker {
    const broker: unknown = Reflect.get(Object(Reflect.get(helper.getNode('broker'), 'link')), 'broker');
    if (broker instanceof HomieBroker) return broker;
    throw new Error('there is no broker');
  }

  /** The jobs of the `homie-broker` that the sidebar starts. */
  get sidebar(): SidebarJobs {
    const sidebar: unknown = Reflect.get(Object(helper.getNode('broker')), 'sidebar');
    if (sidebar instanceof SidebarJobs) return sidebar;
    throw new Error('there is no broker');
  }

  /** Waits until the status of the node has this text. */
  showed(text: string): Promise<NodeStatus> {
    return new Promise((resolve) => {
      const look = (): void => {
        const found = this.statuses.find((status) => status.text === text);
        if (found === undefined) return;
        this.#ota.off('call:status', look);
        resolve(found);
      };
      this.#ota.on('call:status', look);
      look();
    });
  }

  /** Waits until the status of the node shows this error. */
  showedError(code: ErrorCode): Promise<NodeStatus> {
    return this.showed(errorStatus(code).text ?? '');
  }

  /** The statuses of the node so far. */
  get statuses(): NodeStatus[] {
    return this.#ota.status
      .getCalls()
      .filter(({ thisValue }) => thisValue === this.#ota)
      .map(({ args }) => args[0]);
  }

  /** Returns what the Test button of the dialog gets for these settings of a homie-broker. */
  async test(settings: object): Promise<object> {
    const { body } = await helper.request().post('/homie-ota/test').send(settings);
    return Object(body);
  }

  /** Returns the log as text. */
  log(): string {
    return helper
      .log()
      .args.map(([entry]) => String(entry.msg))
      .join('\n');
  }
}

/** Deploys a flow, and waits until it has started. The helper alone would wait for at most 300 ms. */
export async function setFlows(...input: Parameters<typeof helper.setFlows>): Promise<void> {
  const started = once(events, 'flows:started');
  await helper.setFlows(...input).catch((error: unknown) => {
    if (!String(error).includes('timeout waiting event')) throw error;
  });
  await started;
}

/** Ends the flow of a test. */
export async function stopFlow(): Promise<void> {
  await helper.unload();
  hooks.remove('*.test');
}

/** Coordinates on the canvas: a node without them counts as a config node. */
const place = { x: 0, y: 0 };

/** Returns a node as this version of the package has made it, unless the node has a version of its own. */
function withVersion(node: FlowNode): FlowNode {
  return node.type.startsWith('homie-') ? { settingsVersion: SETTINGS_VERSION, ...node } : node;
}

function inbox(id: string): FlowNode {
  return { id, type: 'helper', z: 'flow', ...place };
}

function nodes(broker: object, ota: object): FlowNode[] {
  return [
    { id: 'flow', type: 'tab', label: 'test' },
    { id: 'broker', type: 'homie-broker', baseTopic: 'homie/', ...broker },
    {
      id: 'ota',
      type: 'homie-ota',
      z: 'flow',
      broker: 'broker',
      device: 'my-light',
      deviceType: 'str',
      settingsVersion: SETTINGS_VERSION,
      ...place,
      ...ota,
      wires: [['result'], ['progress'], ['summary']],
    },
    inbox('result'),
    inbox('progress'),
    inbox('summary'),
    { id: 'catch', type: 'catch', z: 'flow', scope: ['ota'], ...place, wires: [['caught']] },
    inbox('caught'),
    { id: 'complete', type: 'complete', z: 'flow', scope: ['ota'], ...place, wires: [['completed']] },
    inbox('completed'),
  ];
}

function coreNode(file: string): NodeModule {
  const found = require.resolve(`@node-red/nodes/core/${file}`, { paths: [path.dirname(runtime)] });
  const module: NodeModule = require(found);
  return module;
}
