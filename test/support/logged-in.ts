import { SimulatedDevice, type DeviceOptions } from '../simulator/device';
import { nameOf, type AdminRoute } from './admin-routes';
import { startAedes, type AedesBroker } from './aedes';
import { buildEsp8266Image, running } from './images';
import { startNodeRed, type NodeRed, type NodeRedOptions } from './node-red';

/** The bcryptjs that Node-RED uses. */
const { hashSync }: { hashSync: (text: string, rounds: number) => string } = require(
  require.resolve('bcryptjs', { paths: [require.resolve('node-red')] }),
);

const PASSWORD = 'for-tests-only';

/** The image that the tests send to the devices. */
export const fresh = buildEsp8266Image({ name: 'my-light', version: '1.1.0', size: 60_000, seed: 2 });

/** An image for no device. */
const other = buildEsp8266Image({ name: 'my-plug', version: '1.1.0', size: 60_000, seed: 4 });

export const OCTETS = 'application/octet-stream';

/** A user with all permissions, who exists in every `LoggedIn`. */
export const ADMIN = 'admin';

const flowRoutes = [
  ['GET', 'flows'],
  ['POST', 'flows'],
  ['POST', 'flow'],
  ['GET', 'credentials/homie-broker/broker'],
  ['POST', 'nodes'],
  ['POST', 'inject/one'],
] as const;

/** The permissions of users by their names, separated by spaces. */
type Users = Readonly<Record<string, string>>;

export interface Answer {
  readonly status: number;
  readonly body: Readonly<Record<string, unknown>>;
}

export interface Question {
  readonly method?: string;
  readonly body?: Uint8Array<ArrayBuffer> | string | undefined;
  readonly type?: string | undefined;
}

/** Returns the settings of a Node-RED with a login. */
export function adminAuth(users: Users): object {
  return {
    adminAuth: {
      type: 'credentials',
      users: Object.entries(users).map(([username, permissions]) => ({
        username,
        password: hashSync(PASSWORD, 4),
        permissions: permissions.split(' '),
      })),
    },
  };
}

/** Logs a user in. @returns the access token */
export async function logIn(url: string, username: string): Promise<string> {
  const form = { client_id: 'node-red-admin', grant_type: 'password', scope: '', username, password: PASSWORD };
  const response = await fetch(`${url}/auth/token`, { method: 'POST', body: new URLSearchParams(form) });
  return String(Reflect.get(Object(await response.json()), 'access_token'));
}

/** A Node-RED with a login, a broker with devices, and the requests of its users. */
export class LoggedIn {
  readonly devices: SimulatedDevice[] = [];
  readonly broker: AedesBroker;
  #nodeRed: NodeRed | undefined;
  readonly #tokens = new Map<string, string>();
  readonly #settings: object;

  private constructor(broker: AedesBroker, settings: object) {
    this.broker = broker;
    this.#settings = settings;
  }

  /**
   * Starts broker, devices and Node-RED. Deploys a tab `flow` and a homie-broker `broker`.
   * @param settings more properties of `broker`
   */
  static async start({
    users,
    devices,
    settings = {},
    options = {},
  }: {
    readonly users: Users;
    readonly devices: readonly Partial<DeviceOptions>[];
    readonly settings?: object;
    readonly options?: NodeRedOptions;
  }): Promise<LoggedIn> {
    const site = new LoggedIn(await startAedes(), settings);
    const { url } = site.broker;
    for (const device of devices) {
      const started = new SimulatedDevice({ url, id: 'kitchen-light', image: running, uptime: 3600, ...device });
      site.devices.push(started);
      await started.start();
    }
    const all = { [ADMIN]: '*', ...users };
    const nodeRed = await startNodeRed({ ...options, flows: site.flows(), settings: adminAuth(all) });
    site.#nodeRed = nodeRed;
    await nodeRed.logged(/connected \(MQTT/);
    for (const username of Object.keys(all)) site.#tokens.set(username, await logIn(nodeRed.url, username));
    return site;
  }

  flows(): object[] {
    const broker = { host: '127.0.0.1', port: String(this.broker.port), baseTopic: 'homie/', canary: '0' };
    return [
      { id: 'flow', type: 'tab', label: 'devices' },
      { id: 'broker', type: 'homie-broker', ...broker, ...this.#settings },
    ];
  }

  get nodeRed(): NodeRed {
    if (this.#nodeRed === undefined) throw new Error('Node-RED has not started');
    return this.#nodeRed;
  }

  token(username: string): string {
    return this.#tokens.get(username) ?? '';
  }

  /** Calls any route of Node-RED as a user, or without a login if `who` is undefined. */
  call(who: string | undefined, path: string, { method = 'POST', body, type }: Question = {}): Promise<Response> {
    return fetch(`${this.nodeRed.url}/${path}`, {
      method,
      headers: {
        ...(who !== undefined && { Authorization: `Bearer ${this.token(who)}` }),
        ...(type !== undefined && { 'Content-Type': type }),
      },
      ...(body !== undefined && { body }),
    });
  }

  /** Calls a route of the package. */
  async ask(who: string | undefined, path: string, question?: Question): Promise<Answer> {
    const response = await this.call(who, `homie-ota/${path}`, question);
    const text = await response.text();
    const isJson = response.headers.get('content-type')?.startsWith('application/json') === true;
    return { status: response.status, body: isJson ? Object(JSON.parse(text)) : {} };
  }

  /** Puts an image on offer. */
  upload(who: string | undefined, image: Buffer | string = fresh, type = OCTETS): Promise<Answer> {
    const body = typeof image === 'string' ? image : new Uint8Array(image);
    return this.ask(who, 'brokers/broker/offers', { body, type });
  }

  json(who: string | undefined, path: string, body: unknown): Promise<Answer> {
    return this.ask(who, path, { body: JSON.stringify(body), type: 'application/json' });
  }

  /** Deploys as the administrator. */
  async deploy(flows: readonly object[]): Promise<void> {
    const body = JSON.stringify(flows);
    const { status } = await this.call(ADMIN, 'flows', { body, type: 'application/json' });
    if (status !== 204) throw new Error(`the deploy was answered with ${status}`);
  }

  /** Asks for a plan. @returns its id */
  async plan(who: string | undefined, request: object): Promise<string> {
    return String((await this.json(who, 'brokers/broker/plans', request)).body['id']);
  }

  /** Does what a plan shows, as the administrator. @returns the id of its first job */
  async start(request: object): Promise<string> {
    const { body } = await this.json(ADMIN, `brokers/broker/plans/${await this.plan(ADMIN, request)}/start`, {});
    return String(Reflect.get(Object(body['jobs']), 0));
  }

  /** Waits until a job can be closed. */
  async ended(job: string): Promise<void> {
    const hasEnded = (card: unknown): boolean => {
      const { id, may } = Object(card);
      return id === job && may.includes('close');
    };
    for (;;) {
      const { body } = await this.ask(ADMIN, 'brokers/broker/table', { method: 'GET' });
      if (Array.isArray(body['jobs']) && body['jobs'].some(hasEnded)) return;
    }
  }

  /** Calls a route with a valid request. The administrator makes what it needs. */
  async try(who: string | undefined, route: AdminRoute): Promise<Answer> {
    const { method } = route;
    const path = route.path.replace('brokers/:id', 'brokers/broker').replace(':device', 'kitchen-light');
    const rename = (device: string): object => ({ action: 'set', devices: [device], patch: { name: 'New' } });
    switch (nameOf(route)) {
      case 'GET brokers/:id/devices':
      case 'GET brokers/:id/devices/:device':
      case 'GET brokers/:id/report':
      case 'GET brokers/:id/table':
        return this.ask(who, path, { method });
      case 'POST brokers/:id/offers':
        return this.upload(who);
      case 'DELETE brokers/:id/offers/:md5': {
        const { body } = await this.upload(ADMIN, other);
        return this.ask(who, path.replace(':md5', Object(body['offer']).checksum), { method });
      }
      case 'POST brokers/:id/plans':
        return this.json(who, path, { action: 'exclude', devices: ['kitchen-light'] });
      case 'POST brokers/:id/plans/:plan/start': {
        await this.upload(ADMIN);
        const plan = await this.plan(ADMIN, { action: 'update', devices: ['kitchen-light'] });
        return this.json(who, path.replace(':plan', plan), {});
      }
      case 'POST brokers/:id/jobs/:job/pause':
        return this.json(who, path.replace(':job', await this.start(rename('never-seen'))), {});
      case 'POST brokers/:id/jobs/:job/close': {
        const job = await this.start(rename('never-heard'));
        await this.start({ action: 'cancel', job });
        await this.ended(job);
        return this.json(who, path.replace(':job', job), {});
      }
      case 'POST test':
        return this.json(who, path, { host: '127.0.0.1', port: String(this.broker.port), baseTopic: 'homie/' });
      case 'POST search':
        return this.json(who, path, { source: 'folder', folder: 'test/fixtures/firmware' });
      default:
        throw new Error(`it is not known here how ${nameOf(route)} is asked: add it, and who may ask it`);
    }
  }

  /** Calls the routes of Node-RED that show or change flows. @returns the HTTP status of each route */
  async tryFlows(who: string): Promise<[route: string, status: number][]> {
    const answers: [string, number][] = [];
    for (const [method, path] of flowRoutes) {
      const json = { body: '[]', type: 'application/json' };
      const { status } = await this.call(who, path, { method, ...(method === 'POST' && json) });
      answers.push([`${method} ${path}`, status]);
    }
    return answers;
  }

  /** Waits until all devices are known and have been heard. @returns the rows of the table */
  async rows(who: string = ADMIN): Promise<Record<string, unknown>[]> {
    for (;;) {
      const found = (await this.ask(who, 'brokers/broker/table', { method: 'GET' })).body['rows'];
      const isWhole = Array.isArray(found) && found.length === this.devices.length;
      if (isWhole && found.every((row) => 'seen' in Object(row))) return found;
    }
  }

  async stop(): Promise<void> {
    await this.#nodeRed?.stop();
    for (const device of this.devices) await device.stop();
    await this.broker.close();
  }
}
