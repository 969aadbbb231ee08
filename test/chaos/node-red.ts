import { rm } from 'node:fs/promises';
import { createServer, type Server, type Socket } from 'node:net';
import { createInterface } from 'node:readline';
import { setTimeout as delay } from 'node:timers/promises';
import { withDeadline } from '../../src/deadline';
import type { Update } from '../../src/update/update';
import { HANG_LIMIT } from '../support/limits';
import { freePort, startListening } from '../support/ports';
import { linkedUserDir, startNodeRed, type NodeRed } from '../support/node-red';
import type { Proxy } from '../support/proxy';
import { listen } from './listen';
import { deadlines, meantBy, messageOf, patches, whatOf } from './messages';
import type { Line, Ours, Surroundings } from './ours';
import { baseTopicOf, type ErrandPlan, type Plan } from './plan';
import { verdictOf } from './witness';

const OCTETS = 'application/octet-stream';

/** How often the sidebar sends an image to a device, at most. */
const SIDEBAR_ATTEMPTS = 2;

/** Our side in a real Node-RED with its own process. */
export class RealNodeRed implements Ours {
  readonly #around: Surroundings;
  readonly #userDir: string;
  readonly #proxy: Proxy;
  readonly #results: Server;
  readonly #flows: readonly object[];
  readonly #port: number;
  #nodeRed: NodeRed;
  /** The previous change: changes of the process run one at a time. */
  #turn: Promise<void> = Promise.resolve();
  #unfinished: string[] = [];
  /** Aborted when a deploy may have dropped the messages that were sent before. */
  #asked = new AbortController();
  #count = 0;
  readonly #rivals = new Set<NodeRed>();

  private constructor(
    around: Surroundings,
    parts: { userDir: string; proxy: Proxy; results: Server; flows: readonly object[]; port: number; nodeRed: NodeRed },
  ) {
    this.#around = around;
    this.#userDir = parts.userDir;
    this.#proxy = parts.proxy;
    this.#results = parts.results;
    this.#flows = parts.flows;
    this.#port = parts.port;
    this.#nodeRed = parts.nodeRed;
  }

  static async open(around: Surroundings): Promise<RealNodeRed> {
    const userDir = await linkedUserDir();
    const proxy = await listen(around);
    const results = createServer((socket) => hear(socket, around));
    const flows = flow(proxy.port, await startListening(results), around.home.plan);
    const port = await freePort();
    const nodeRed = await startNodeRed({ userDir, flows, port });
    return new RealNodeRed(around, { userDir, proxy, results, flows, port, nodeRed });
  }

  get line(): Line {
    // Its runs have no outage.
    return { ...this.#proxy, interrupt: () => this.#proxy.cut(), restore: () => undefined };
  }

  async ask(errand: ErrandPlan): Promise<void> {
    const { home, see } = this.#around;
    const { payload, ...message } = messageOf(home.plan, errand);
    const job = `message ${(this.#count += 1)}`;
    const devices = meantBy(home.plan, errand).map((index) => home.id(index));
    const what = whatOf(home.plan, errand);
    const named = typeof errand.devices === 'string' ? [] : devices;
    const attempts = errand.bySidebar ? SIDEBAR_ATTEMPTS : errand.attempts;
    see({ kind: 'asked', at: performance.now(), device: '', job, what, devices, named, attempts });
    if (errand.bySidebar) await this.#askSidebar(payload, devices);
    else if (errand.what === 'update') await this.#post('ota', message, payload);
    else await this.#post('config', { ...message, version: errand.version }, payload);
  }

  async steer(action: 'cancel' | 'pause' | 'resume' | 'retry', device?: number): Promise<void> {
    const named = device === undefined ? {} : { device: this.#around.home.id(device) };
    await Promise.all((['ota', 'config'] as const).map((node) => this.#post(node, { action, ...named }, '')));
  }

  /** Puts an image on offer, and updates devices with it. */
  async #askSidebar(image: object, devices: readonly string[]): Promise<void> {
    if (image instanceof Buffer) await this.#admin('offers', image);
    await this.#plan({ action: 'update', devices });
  }

  async exclude(device: number, isExcluded: boolean): Promise<void> {
    await this.#plan({ action: isExcluded ? 'exclude' : 'include', devices: [this.#around.home.id(device)] });
  }

  redeploy(): Promise<void> {
    return this.#next(async () => {
      const headers = { 'Content-Type': 'application/json', 'Node-RED-Deployment-Type': 'full' };
      await fetch(`${this.#nodeRed.url}/flows`, { method: 'POST', headers, body: JSON.stringify(this.#flows) });
      // Node-RED drops messages on their way between nodes, and with them the answers.
      this.#asked.abort();
      this.#asked = new AbortController();
    });
  }

  restart(): Promise<void> {
    return this.#next(async () => {
      await this.#nodeRed.stop();
      await this.#start();
    });
  }

  kill(): Promise<void> {
    return this.#next(async () => {
      await this.#nodeRed.kill();
      await this.#start();
    });
  }

  async rival(): Promise<() => Promise<void>> {
    const rival = await startNodeRed({ userDir: this.#userDir, flows: this.#flows, port: await freePort() });
    this.#rivals.add(rival);
    return async () => {
      if (this.#rivals.delete(rival)) await rival.stop();
    };
  }

  /** Waits until two checks in a row find no running job: a message may still be on its way to its node. */
  async quiet(): Promise<void> {
    for (let times = 0; times < 2;) {
      await this.#turn;
      const states = await this.#states();
      times = states.some((state) => state === 'running') ? 0 : times + 1;
      await delay(200);
    }
  }

  async finish(): Promise<string[]> {
    await this.steer('cancel');
    const sidebarJobs = await this.#sidebarJobs();
    for (const { id: job } of sidebarJobs) await this.#plan({ action: 'cancel', job });
    for (let tries = 0; tries < 50; tries += 1) {
      const states = await this.#states();
      this.#unfinished = states.filter((state) => ['running', 'stopped', 'paused'].includes(state));
      if (this.#unfinished.length === 0) break;
      await delay(100);
    }
    return this.unfinished();
  }

  unfinished(): string[] {
    return this.#unfinished.map((state) => `a job of Node-RED has not ended (${state})`);
  }

  async close(): Promise<string[]> {
    await this.#turn;
    await Promise.all([...this.#rivals].map((rival) => rival.stop()));
    await this.#nodeRed.stop();
    const log = this.#nodeRed.log();
    await this.#proxy.close();
    this.#results.close();
    await rm(this.#userDir, { recursive: true, force: true });
    if (/UNEXPECTED|uncaught|unhandled|TypeError/i.test(log)) this.#around.complain(`Node-RED: ${log.slice(-4000)}`);
    return [];
  }

  #next(change: () => Promise<void>): Promise<void> {
    this.#turn = after(this.#turn, change);
    return this.#turn;
  }

  async #start(): Promise<void> {
    this.#nodeRed = await startNodeRed({ userDir: this.#userDir, flows: this.#flows, port: this.#port });
  }

  /** Returns the state of the jobs of each node. */
  async #states(): Promise<string[]> {
    const answers = await Promise.all(
      (['ota', 'config'] as const).map((node) => this.#post(node, { action: 'status' }, '')),
    );
    return [...answers, ...(await this.#sidebarJobs())].map((answer) => {
      const { state, counts }: { state?: unknown; counts?: object } = Object(answer);
      const isRunning = typeof state !== 'string' || Object.hasOwn(counts ?? {}, 'running');
      return isRunning ? 'running' : state;
    });
  }

  /** Returns the open jobs that the sidebar shows. */
  async #sidebarJobs(): Promise<readonly { readonly id?: unknown; readonly endedAt?: unknown }[]> {
    const { jobs }: { jobs?: unknown } = Object(await this.#admin('table'));
    return (Array.isArray(jobs) ? jobs : [{}]).filter(({ endedAt }) => endedAt === undefined);
  }

  /** Does in the sidebar what a plan shows, if there is anything to do. */
  async #plan(request: object): Promise<void> {
    const { id }: { id?: unknown } = Object(await this.#admin('plans', request));
    if (typeof id === 'string') await this.#admin(`plans/${id}/start`, {});
  }

  /** Sends a request as the sidebar does. @returns the answer; undefined if Node-RED is not available */
  #admin(path: string, body?: object): Promise<unknown> {
    return this.#request(
      `homie-ota/brokers/broker/${path}`,
      body,
      body instanceof Buffer ? OCTETS : 'application/json',
    );
  }

  /** Sends a message to a node. @returns the first answer; undefined if Node-RED is not available */
  #post(node: 'ota' | 'config', message: object, body: object | string): Promise<unknown> {
    const query = new URLSearchParams({ message: JSON.stringify(message) });
    return this.#request(`${node}?${query}`, body, OCTETS);
  }

  /** @param body a Buffer, or what is sent as JSON; without it, the request only reads */
  async #request(path: string, body: object | string | undefined, type: string): Promise<unknown> {
    const bytes = body instanceof Buffer ? new Uint8Array(body) : JSON.stringify(body);
    try {
      return await withDeadline(HANG_LIMIT, this.#asked.signal, async (signal) => {
        const response = await fetch(`${this.#nodeRed.url}/${path}`, {
          method: body === undefined ? 'GET' : 'POST',
          headers: { 'Content-Type': type },
          ...(body !== undefined && { body: bytes }),
          signal,
        });
        return response.json();
      });
    } catch {
      return undefined;
    }
  }
}

async function after(before: Promise<void>, change: () => Promise<void>): Promise<void> {
  await before;
  await change();
}

/** Records the results that arrive over a connection, one line of JSON each. */
function hear(socket: Socket, { see, moments, complain }: Surroundings): void {
  socket.on('error', () => undefined);
  createInterface({ input: socket }).on('line', (line: string) => {
    try {
      const told: { update: Update; version?: number } = JSON.parse(line);
      see(verdictOf(told.update, told.version === undefined ? undefined : patches[told.version - 1]));
      moments.tell('result');
    } catch (error) {
      // A kill may have cut off the line.
      if (!(error instanceof SyntaxError)) complain(String(error));
    }
  });
}

/**
 * Returns a flow that takes messages by HTTP, answers with the first message that follows, and sends results over TCP.
 */
function flow(brokerPort: number, resultsPort: number, plan: Plan): object[] {
  const node = (id: string, type: string, more: object): object => ({ id, type, z: 'flow', x: 0, y: 0, ...more });
  const place = { host: '127.0.0.1', port: String(brokerPort), baseTopic: baseTopicOf(plan), keepalive: '1' };
  /** Settings of the jobs of the sidebar. */
  const settings = { ...deadlines, accepted: 1.5, stall: 1.5, attempts: SIDEBAR_ATTEMPTS, concurrency: 3, canary: 0 };
  const texts = Object.entries(settings).map(([name, value]) => [name, String(value)]);
  const broker = { ...place, ...Object.fromEntries(texts) };
  const device = { broker: 'broker', device: 'device', deviceType: 'msg' };
  const read = 'Object.assign(msg, JSON.parse(msg.req.query.message)); return msg;';
  const text = 'msg.payload = msg.payload.toString(); return msg;';
  return [
    { id: 'flow', type: 'tab', label: 'chaos' },
    { id: 'broker', type: 'homie-broker', ...broker, protocolVersion: String(plan.protocolVersion) },
    ...['ota', 'config'].flatMap((name) => [
      node(`${name} in`, 'http in', { url: `/${name}`, method: 'post', wires: [[`${name} read`]] }),
      node(`${name} read`, 'function', {
        func: name === 'ota' ? read : read.replace('return msg;', text),
        outputs: 1,
        wires: [[name]],
      }),
      node(name, `homie-${name}`, { settingsVersion: 2, ...device, wires: [['line'], ['once'], ['once']] }),
    ]),
    node('line', 'function', {
      func: "return { payload: JSON.stringify({ update: msg.payload, version: msg.version }) + '\\n' };",
      outputs: 1,
      wires: [['tcp']],
    }),
    node('tcp', 'tcp out', { host: '127.0.0.1', port: String(resultsPort), beserver: 'client', end: false, wires: [] }),
    node('once', 'function', {
      func: 'if (!msg.res || context.get(msg._msgid)) return; context.set(msg._msgid, true); return msg;',
      outputs: 1,
      wires: [['answer']],
    }),
    node('answer', 'http response', { wires: [] }),
  ];
}
