import { setTimeout as delay } from 'node:timers/promises';
import { connectAsync, type MqttClient } from 'mqtt';
import { DeviceLocks } from '../../src/homie/lock';
import { type DeviceOptions, SimulatedDevice } from '../simulator/device';
import { fileOf } from '../simulator/options';
import { startMosquitto, type Mosquitto } from '../support/mosquitto';
import { startProxy, type Proxy } from '../support/proxy';
import { image, type Family } from './images';
import type { Moments } from './moments';
import { baseTopicOf, type DevicePlan, type Plan } from './plan';
import type { Left, Seen } from './record';
import { md5 } from '../support/md5';

/** Bytes of the question whether an update was cut off. */
const QUESTION = 4096;
/** MAC of a device that replaces another one. */
const ANOTHER_MAC = 'A0:20:A6:00:00:01';
/** ms without a byte after which version 4 of the fork ends an update. */
const OTA_TIMEOUT = 2000;
/** ms for each 4 KiB. With a keepalive of 1 s, the MQTT client of the device gives up on an image of 64 kB. */
const SLOW_FLASH = 250;
/** ms after each `ready` in which a silent device reports nothing about an image. */
const SETTLING = 3000;
/** ms within which a device becomes ready, if it does at all. */
const SETTLED = 5000;

/** A device with its plan and its index in the plan. */
interface Dweller {
  readonly index: number;
  readonly plan: DevicePlan;
  /** The current device: another one may have replaced the first. */
  device: SimulatedDevice;
}

/** The broker and the devices of a run, and the faults that can happen to them. */
export class Home {
  readonly plan: Plan;
  readonly broker: Mosquitto;
  readonly dwellers: readonly Dweller[];
  readonly #see: (seen: Seen) => void;
  readonly #moments: Moments;
  readonly #links: Proxy;
  #isClosed = false;
  #stranger: Promise<MqttClient | undefined> | undefined;

  private constructor(plan: Plan, broker: Mosquitto, links: Proxy, see: (seen: Seen) => void, moments: Moments) {
    this.plan = plan;
    this.broker = broker;
    this.#links = links;
    this.#see = see;
    this.#moments = moments;
    this.dwellers = plan.devices.map((device, index) => ({ index, plan: device, device: this.#build(device, index) }));
    for (const dweller of this.dwellers) this.#watch(dweller);
  }

  /** Starts broker and devices. Resolves when all devices are ready, except for those that start later. */
  static async open(plan: Plan, see: (seen: Seen) => void, moments: Moments): Promise<Home> {
    const broker = await startMosquitto({ persistence: plan.broker.persistence });
    const home = new Home(plan, broker, await startProxy(broker.port), see, moments);
    await home.#leaveRetained();
    await Promise.all(home.dwellers.map((dweller) => home.#moveIn(dweller)));
    return home;
  }

  /** Returns the id of a device of the plan, or the pattern of all ids. */
  static id({ seed, run }: Plan, index: number | '*'): string {
    return `c${seed}-${run}-${index}`;
  }

  id(index: number): string {
    return Home.id(this.plan, index);
  }

  /** Returns the index in the plan of a device, by its id. */
  indexOf(id: string): number | undefined {
    return this.dwellers.find(({ index }) => this.id(index) === id)?.index;
  }

  at(index: number): SimulatedDevice | undefined {
    return this.dwellers[index]?.device;
  }

  /** Whether any device is ready. */
  get isLively(): boolean {
    return this.dwellers.some(({ device }) => device.phase === 'ready');
  }

  cutDevices(): void {
    this.#links.cut();
  }

  /** Stops the traffic of all devices. Their connections stay open. */
  stallDevices(): void {
    this.#links.stall();
  }

  /** Ends the stall by cutting the connections. */
  endStall(): void {
    this.#links.cut();
  }

  /** Switches a device off until `switchOn`. */
  async switchOff(index: number): Promise<void> {
    await this.at(index)?.stop();
  }

  async switchOn(index: number): Promise<void> {
    const device = this.at(index);
    if (device?.phase === 'off') await settled(device.restart());
  }

  /** Replaces a device by another one with the same id, which runs the initial image. */
  async replace(index: number): Promise<void> {
    const dweller = this.dwellers[index];
    if (!dweller || this.#isClosed) return;
    await dweller.device.stop();
    dweller.device = this.#build(dweller.plan, index, ANOTHER_MAC);
    this.#watch(dweller);
    await settled(dweller.device.start());
    if (this.#isClosed) await dweller.device.stop();
  }

  /** Publishes something to a device as another updater. */
  async strike(index: number, topic: string, payload: string | Buffer): Promise<void> {
    const device = this.id(index);
    this.#see({ kind: 'other', at: performance.now(), device });
    const stranger = await (this.#stranger ??= this.#connectStranger());
    await stranger
      ?.publishAsync(`${baseTopicOf(this.plan)}${device}/${topic}`, payload, { qos: 0 })
      .catch(() => undefined);
  }

  /** Connects the other updater. Returns undefined if the broker is not available. */
  async #connectStranger(): Promise<MqttClient | undefined> {
    try {
      const stranger = await connectAsync(this.broker.url, { reconnectPeriod: 50 });
      return stranger.on('error', () => undefined);
    } catch {
      this.#stranger = undefined;
      return undefined;
    }
  }

  /** Publishes another image to a device as another updater. */
  async bringOther(index: number): Promise<void> {
    const other = image('other', this.#family(index), this.plan.size);
    await this.strike(index, `$implementation/ota/firmware/${md5(other)}`, other);
  }

  left(): Left[] {
    const locks = new DeviceLocks(this.broker.url, baseTopicOf(this.plan));
    return this.dwellers.map(({ device }) => {
      const job = locks.holder(device.id);
      return {
        device: device.id,
        there: device.phase === 'ready',
        halfDead: device.isUpdating,
        ...(job !== undefined && { lockedBy: job }),
      };
    });
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    await Promise.all(this.dwellers.map(({ device }) => device.stop()));
    await (await this.#stranger)?.endAsync(true);
    await this.#links.close();
    await this.broker.stop();
  }

  #family(index: number): Family {
    return this.plan.devices[index]?.implementation ?? 'esp8266';
  }

  #build(plan: DevicePlan, index: number, mac = plan.unknownMac ? '' : undefined): SimulatedDevice {
    const { implementation, mishap, sleep, noStatistics, otaDisabled, statistics, stale } = plan;
    const options: DeviceOptions = {
      url: `mqtt://127.0.0.1:${this.#links.port}`,
      id: this.id(index),
      ...(mac !== undefined && { mac }),
      image: image('running', implementation, this.plan.size),
      implementation,
      core: plan.core,
      homie: plan.homie,
      dialect: plan.dialect,
      ...(this.plan.convention === 5 && { convention: 5 }),
      statusGrace: plan.statusGrace,
      otaTimeout: OTA_TIMEOUT,
      segment: plan.segment,
      uptime: plan.uptime,
      bootDelay: plan.bootDelay,
      flashDelay: mishap?.what === 'slow' ? SLOW_FLASH : plan.flashDelay,
      ...(mishap?.what === 'silent' && { mqttClient: '0.9.0', settling: SETTLING }),
      backoff: 30,
      statsInterval: 1,
      keepalive: 1,
      ...(sleep !== undefined && { sleep }),
      config: {
        ota: { enabled: otaDisabled !== true },
        settings: { percentage: 5 },
      },
      misbehavior: {
        ...(noStatistics !== undefined && { noStatistics }),
        ...(statistics === 'first lost' && { loseFirstStatistics: true }),
        ...(typeof statistics === 'object' && { statisticsDelay: statistics.delay }),
        ...this.#misbehavior(mishap, implementation),
      },
    };
    const config = stale === undefined ? {} : staleMembers(stale, options);
    const device = new SimulatedDevice({ ...options, config: { ...Object(options.config), ...config } });
    if (mishap?.what === 'busy') this.#moments.on(mishap.until, () => device.setIdle(true));
    return device;
  }

  #misbehavior(mishap: DevicePlan['mishap'], family: Family): object {
    switch (mishap?.what) {
      case 'drop':
        return { dropAt: mishap.at, times: mishap.times };
      case 'crash':
        return { crashAt: mishap.at, times: mishap.times };
      case 'hang':
        return { hangAt: mishap.at };
      case 'stall':
        return { stallAt: mishap.at, times: mishap.times };
      case 'bad flash':
        return { failWriteAt: mishap.at };
      case 'loses': {
        const lost = mishap.statuses;
        return { loseStatuses: (status: string) => lost.some((each) => status.startsWith(each)) };
      }
      case 'never back':
        return { neverBack: true };
      case 'comes back with another':
        return { comesBackWith: image('strange', family, this.plan.size) };
      case 'comes back as before':
        return { comesBackWith: image('running', family, this.plan.size) };
      case 'silent reboot':
        return { reboot: 'silent' };
      case 'deaf':
        return { deaf: true };
      case 'busy':
      case 'never idle':
        return { notIdle: true };
      case '200 lost':
        return { dropBefore: '200' };
      case '200 lost, never idle':
        return { dropBefore: '200', notIdle: true };
      case 'slow':
      case 'silent':
      case undefined:
        return {};
    }
  }

  #watch({ index, device }: Dweller): void {
    const moments = this.#moments;
    const id = this.id(index);
    const see = this.#see;
    const at = (): number => performance.now();
    device.on('boot', (checksum) => {
      see({ kind: 'boot', at: at(), device: id, checksum, file: device.file, mac: device.mac });
      moments.tell('boot', index);
    });
    device.on('ready', () => moments.tell('ready', index));
    device.on('disconnected', () => {
      see({ kind: 'away', at: at(), device: id });
      moments.tell('offline', index);
    });
    device.on('publish', (topic, payload) => {
      if (topic === '$state' && payload === 'init') moments.tell('init', index);
      if (topic === '$stats/signal') moments.tell('statistics', index);
    });
    device.on('status', (status) => {
      see({ kind: 'status', at: at(), device: id, status });
      const [code] = status.split(' ');
      if (code === '202' || code === '206' || code === '200') moments.tell(code, index);
      else moments.tell('refused', index);
    });
    let images = 0;
    device.on('part', (topic, bytes, total) => {
      const checksum = topic.split('/').at(-1)?.toLowerCase() ?? '';
      if (total <= QUESTION) return;
      if (device.received.length > images) {
        images = device.received.length;
        see({ kind: 'image', at: at(), device: id, md5: checksum, pending: device.hasToBoot && bytes < total });
        moments.tell('image', index);
      }
      if (bytes === total) see({ kind: 'whole image', at: at(), device: id, md5: checksum });
    });
    let patches = 0;
    device.on('message', () => {
      if (device.patches.length === patches) return;
      patches = device.patches.length;
      see({ kind: 'patched', at: at(), device: id, patch: device.patches.at(-1) ?? '' });
      moments.tell('patched', index);
    });
  }

  async #moveIn({ index, plan, device }: Dweller): Promise<void> {
    if (plan.absentUntil !== undefined) this.#moments.on(plan.absentUntil, () => void this.switchOn(index));
    else await settled(device.start());
  }

  async #leaveRetained(): Promise<void> {
    const left = this.plan.devices.flatMap(({ retained }, index) => retained.map((each) => ({ index, ...each })));
    if (left.length === 0) return;
    const client = await connectAsync(this.broker.url, { reconnectPeriod: 0 });
    for (const { index, topic, payload } of left) {
      const next = md5(image('next', this.#family(index), this.plan.size));
      const previous = image('previous', this.#family(index), this.plan.size);
      const text = payload === 'NEXT' ? next : payload === 'PREVIOUS' ? previous : payload;
      if (topic.endsWith('config/set') || topic.includes('/ota/firmware/')) {
        this.#see({ kind: 'other', at: performance.now(), device: this.id(index) });
      }
      const named = topic.replace('PREVIOUS', md5(previous));
      await client.publishAsync(`${baseTopicOf(this.plan)}${this.id(index)}/${named}`, text, { qos: 1, retain: true });
    }
    await client.endAsync();
  }
}

/**
 * Waits until a device is ready, for `SETTLED` at most. A device that falls asleep, or flashes and boots a retained
 * image indefinitely, does not become ready.
 */
async function settled(ready: Promise<void>): Promise<void> {
  const over = new AbortController();
  const patience = delay(SETTLED, undefined, { signal: over.signal }).catch(() => undefined);
  await Promise.race([ready.catch(() => undefined), patience]);
  over.abort();
}

/** Returns an unused login, and a setting that gives the file its length. */
function staleMembers({ secret, bytes }: NonNullable<DevicePlan['stale']>, options: DeviceOptions): object {
  const login = { username: 'u'.repeat(secret), password: 'p'.repeat(secret) };
  const mqtt = { host: '127.0.0.1', port: 1883, base_topic: 'homie/', auth: false, ...login };
  const members = (greeting: string): object => ({ mqtt, settings: { percentage: 5, greeting } });
  const least = fileOf({ ...options, config: { ...Object(options.config), ...members('') } }).length;
  return members('g'.repeat(Math.max(0, bytes - least)));
}
