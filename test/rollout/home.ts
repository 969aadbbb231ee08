import { EventEmitter, once } from 'node:events';
import { setImmediate as turn } from 'node:timers/promises';
import { HomieBroker } from '../../src/homie/broker';
import type { Summary, Update } from '../../src/update/update';
import type { Job } from '../../src/rollout/job';
import { SimulatedDevice, type DeviceOptions } from '../simulator/device';
import type { TestBroker } from '../support/brokers';
import { TestClock } from '../support/clock';
import { startMosquitto } from '../support/mosquitto';
import { startProxy, type Proxy } from '../support/proxy';

/** Makes a device fall asleep and wake only when the test makes it. */
const told = { awake: Infinity, asleep: Infinity };

/** The `$state` of a device by phase, except for phases in which it changes. */
const states = { off: 'lost', ready: 'ready', asleep: 'sleeping' } as const;

/**
 * A broker, our connection to it, and devices, with a clock that advances in step with the events: only when we have
 * received everything that the devices have published, and they have received everything that was sent.
 */
export class Home {
  readonly clock: TestClock;
  readonly broker: HomieBroker;
  /** Proxy between us and the broker. */
  readonly link: Proxy;
  readonly devices = new Map<string, SimulatedDevice>();
  /** Every result of the followed jobs, with its time in ms of the clock. */
  readonly results: (Update & { readonly at: number })[] = [];
  readonly #server: TestBroker;
  readonly #jobs = new Set<Job>();
  readonly #changes = new EventEmitter<{ change: [] }>();
  /** Last progress of each device that is being served, by job and device. */
  readonly #served = new Map<string, Update>();

  private constructor(server: TestBroker, link: Proxy, clock: TestClock) {
    this.#server = server;
    this.link = link;
    this.clock = clock;
    const url = `mqtt://127.0.0.1:${link.port}`;
    this.broker = new HomieBroker({ url, protocolVersion: 'auto', baseTopic: 'homie/' });
    this.broker.registry.on('event', () => this.#changes.emit('change'));
    this.broker.start();
  }

  static async open(clock = new TestClock()): Promise<Home> {
    const server = await startMosquitto();
    const home = new Home(server, await startProxy(server.port), clock);
    // After this, what its devices publish is received live.
    await home.broker.settled();
    return home;
  }

  /** Adds a device, and waits until it is ready and we have received its state and uptime. */
  async add(id: string, options: Omit<DeviceOptions, 'url' | 'id'>): Promise<SimulatedDevice> {
    const device = new SimulatedDevice({
      url: this.#server.url,
      id,
      bootDelay: 5,
      uptime: 3600,
      sleep: told,
      ...options,
    });
    this.devices.set(id, device);
    device.on('phase', () => this.#changes.emit('change'));
    device.on('status', () => this.#changes.emit('change'));
    await device.start();
    await this.#seeAll();
    if (options.misbehavior?.noStatistics !== true) await this.#hearUptime(id);
    return device;
  }

  /** Waits for the uptime of a device. A lower uptime later proves a reboot only if this one is known. */
  async #hearUptime(id: string): Promise<void> {
    const { registry } = this.broker;
    for (;;) {
      const { state, uptime } = registry.get(id) ?? {};
      if (state?.value !== 'ready' || (uptime?.live === true && uptime.at >= state.at)) return;
      await once(registry, 'event');
    }
  }

  /** Puts another image onto a device, as with a serial cable. */
  async replace(device: SimulatedDevice, image: Buffer): Promise<SimulatedDevice> {
    await device.stop();
    return this.add(device.id, { image, uptime: 0 });
  }

  /** Makes a device sleep and wake in turn, in ms of the clock, until it has a result. */
  lull(device: SimulatedDevice, { awake, asleep }: { awake: number; asleep: number }): void {
    let callOff = (): void => undefined;
    const after = (ms: number, callback: () => void): void => {
      callOff();
      callOff = this.clock.at(this.clock.now() + ms, callback);
    };
    device.on('boot', () => callOff());
    device.on('ready', () => after(awake, () => device.prepareToSleep()));
    device.on('phase', (phase) => {
      if (phase !== 'asleep' || this.results.some((result) => result.device === device.id)) return;
      after(asleep, () => void device.wake());
    });
  }

  /** Runs a job, and waits until it has found its devices. @returns `ended`, which resolves with its summary */
  async begin(job: Job, run: () => Promise<Summary> = () => job.run()): Promise<{ ended: Promise<Summary> }> {
    this.follow(job);
    await this.broker.settled();
    const ended = run();
    const found = async (): Promise<void> => {
      while (!job.state().admitted) await turn();
    };
    await Promise.race([found(), ended]);
    return { ended };
  }

  /** Records the progress and the results of a job. */
  follow(job: Job): void {
    this.#jobs.add(job);
    job.on('progress', (update) => {
      const key = `${update.job} ${update.device}`;
      if (update.state === 'running') this.#served.set(key, update);
      else this.#served.delete(key);
      this.#changes.emit('change');
    });
    job.on('idle', () => this.#changes.emit('change'));
    job.on('result', (update) => this.results.push({ ...update, at: this.clock.now() }));
  }

  result(device: string): (Update & { readonly at: number }) | undefined {
    return this.results.find((result) => result.device === device);
  }

  /** Returns the number of images that a device has received, at least in part. */
  images(device: string): number {
    return this.devices.get(device)?.images.length ?? 0;
  }

  /** Returns the number of images that a device has received completely. */
  wholeImages(device: string): number {
    const images = this.devices.get(device)?.images ?? [];
    return images.filter(({ bytes, total }) => bytes === total).length;
  }

  /** The devices that are being served. */
  get running(): string[] {
    return [...this.#served.values()].map(({ device }) => device);
  }

  /** Waits for the next event. */
  async change(): Promise<void> {
    await once(this.#changes, 'change');
  }

  /**
   * Waits until we have received everything that the devices have published, the devices that are being served have
   * received what was sent, and the jobs have reacted to that.
   */
  async inStep(): Promise<void> {
    for (let times = 0; times < 2;) {
      if (!this.#isInStep) {
        await this.change();
        times = 0;
      } else {
        await turn();
        times += 1;
      }
    }
  }

  /** Waits as `inStep` does, and until no device is being served. */
  async quiet(): Promise<void> {
    await this.inStep();
    while (this.running.length > 0) {
      await this.change();
      await this.inStep();
    }
  }

  /** Advances the clock until `isSo` returns true. Serving devices takes no time on the clock. */
  async until(isSo: () => boolean): Promise<void> {
    for (await this.quiet(); !isSo(); await this.quiet()) {
      if (!Number.isFinite(this.clock.next)) throw new Error('Nothing more will happen');
      await this.#to(this.clock.next);
    }
  }

  /** Advances the clock by a number of ms. Serving devices takes no time on the clock. */
  async pass(ms: number): Promise<void> {
    const end = this.clock.now() + ms;
    for (await this.quiet(); this.clock.next <= end; await this.quiet()) await this.#to(this.clock.next);
    await this.#to(end);
    await this.quiet();
  }

  /**
   * Advances the clock, and waits for answers: code that asks the broker when its time has passed gets them in order.
   */
  async #to(time: number): Promise<void> {
    await this.clock.to(time);
    await this.#seeAll();
  }

  /** Waits until we have received everything that the broker has acknowledged so far, if we are connected. */
  async #seeAll(): Promise<void> {
    await this.broker.connection.ping().catch(() => undefined);
  }

  async close(): Promise<void> {
    await Promise.all([...this.#jobs].map((job) => job.abandon()));
    await Promise.all([...this.devices.values()].map((device) => device.stop()));
    await this.broker.close();
    await this.link.close();
    await this.#server.stop();
  }

  get #isInStep(): boolean {
    const served = new Map([...this.#served.values()].map((update) => [update.device, update]));
    return [...this.devices.values()].every((device) => {
      const update = served.get(device.id);
      if (update !== undefined) return update.phase !== undefined && update.phase !== 'sending';
      const phase = device.finds ? device.phase : 'off';
      if (phase === 'connecting' || (phase === 'ready' && device.flaggedForSleep)) return false;
      return this.broker.registry.get(device.id)?.state?.value === states[phase];
    });
  }
}
