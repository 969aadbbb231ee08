import type { NodeMessage } from 'node-red';
import type { HomieBroker } from '../../src/homie/broker';
import { SimulatedDevice, type DeviceOptions } from '../simulator/device';
import { startAedes, type AedesBroker } from '../support/aedes';
import { running } from '../support/images';
import { HANG_LIMIT_SECONDS } from '../support/limits';
import { stopFlow, TestFlow, type FlowOptions } from './flow';

export { next, running } from '../support/images';
import { resetLocks } from '../support/locks';
import { untilTrue } from '../support/until-true';

export const connected = 'connected';

/** Settings of a homie-config whose deadlines are `HANG_LIMIT`. */
export const configNode = {
  type: 'homie-config',
  expires: HANG_LIMIT_SECONDS,
  received: HANG_LIMIT_SECONDS,
  reboot: HANG_LIMIT_SECONDS,
  ready: HANG_LIMIT_SECONDS,
};

interface SceneOptions extends FlowOptions {
  /** More properties of the homie-broker. */
  readonly broker?: object;
}

/** A broker, simulated devices, and a flow with a connected homie-ota or homie-config. */
export class Scene {
  static #count = 0;

  readonly #broker: AedesBroker;
  /**
   * Each scene has its own, because a device that a test left in the middle of an update stays locked in this process.
   */
  readonly #baseTopic = `scene-${(Scene.#count += 1)}/`;
  readonly #ends: (() => Promise<void>)[] = [];
  readonly #devices: SimulatedDevice[] = [];
  #flow: TestFlow | undefined;

  private constructor(broker: AedesBroker) {
    this.#broker = broker;
  }

  static async open(): Promise<Scene> {
    return new Scene(await startAedes());
  }

  /** Returns the number of clients that are connected to the broker. */
  clients(): number {
    return this.#broker.aedes.connectedClients;
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
    this.#ends.push(() => device.stop());
    if (options.misbehavior?.noStatistics !== true) this.#devices.push(device);
    await device.start();
    if (this.#flow?.isDeployed === true) await untilHeard(this.#flow.broker, [device]);
    return device;
  }

  /** Properties of a homie-broker that connects to the broker. */
  get broker(): object {
    return { host: '127.0.0.1', port: String(this.#broker.port), baseTopic: this.#baseTopic };
  }

  /** Starts the flow, and waits until it is connected and knows the uptime of the devices. */
  async flow(ota: object = {}, { broker, ...more }: SceneOptions = {}): Promise<TestFlow> {
    const flow = await TestFlow.start({ ...this.broker, ...broker }, { canary: '0', ...ota }, more);
    await flow.showed(connected);
    await untilHeard(flow.broker, this.#devices);
    this.#flow = flow;
    return flow;
  }

  /** Starts the flow with a homie-config, which has deadlines for tests. */
  config(settings: object = {}, more?: SceneOptions): Promise<TestFlow> {
    return this.flow({ ...configNode, ...settings }, more);
  }

  /** Stops flow, devices and broker: the next scene may have devices with the same ids. */
  async close(): Promise<void> {
    await stopFlow();
    for (const end of this.#ends) await end();
    await this.#broker.close();
    resetLocks();
  }
}

/**
 * Waits for the uptime of each device that is ready and sends its statistics every second: only then can a reboot be
 * proven.
 */
export async function untilHeard(broker: HomieBroker, devices: readonly SimulatedDevice[]): Promise<void> {
  const { registry } = broker;
  // A ready device may not be known before that.
  if (broker.connection.status.state === 'connected') await broker.settled();
  const lively = devices.filter(({ file }) => Number(JSON.parse(file).device_stats_interval) === 1);
  const isHeard = ({ id, phase }: SimulatedDevice): boolean => {
    const known = registry.get(id);
    if (phase !== 'ready' || known?.state?.value !== 'ready') return true;
    return known.uptime?.live === true && known.uptime.at >= known.state.at;
  };
  await untilTrue(registry, 'event', () => lively.every(isHeard));
}

/** Returns a window that is closed for the next hours. */
export function closedWindow(): string {
  const hour = (later: number): string => `${(new Date().getHours() + later) % 24}:00`;
  return `${hour(5)}-${hour(6)}`;
}

/** Returns a property of the payload, by its path. */
export function payload(msg: NodeMessage, path: string): unknown {
  return path.split('.').reduce<unknown>((value, name) => Reflect.get(Object(value), name), msg.payload);
}

/** Returns a predicate for messages whose payload has this state. */
export function state(expected: string): (msg: NodeMessage) => boolean {
  return (msg) => payload(msg, 'state') === expected;
}

/** Returns the code of the error in a message of a catch node. */
export function caughtCode(msg: NodeMessage): unknown {
  return Reflect.get(Object(msg['error']), 'code');
}
