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
import { isImage } from '../simulator/transfers';

/** Asleep and awake only when it is told. */
const told = { awake: Infinity, asleep: Infinity };

/** The `$state` of a device in each of its phases, but for those in which it changes. */
const states = { off: 'lost', ready: 'ready', asleep: 'sleeping' } as const;

/**
 * A broker, our connection to it, and devices, with a clock that moves on in step with what happens: only when we have seen
 * all that the devices have said, and they have received all that was sent.
 */
export class Home {
  readonly clock: TestClock;
  readonly broker: HomieBroker;
  /** Between us and the broker. */
  readonly link: Proxy;
  readonly devices = new Map<string, SimulatedDevice>();
  /** Every result of the jobs that are followed, and when it came. */
  readonly results: (Update & { readonly at: number })[] = [];
  readonly #server: TestBroker;
  readonly #jobs = new Set<Job>();
  readonly #changes = new EventEmitter<{ change: [] }>();
  /** What was last told of each device that is being served, by job and device. */
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
    // What its devices say comes live then.
    await home.broker.settled();
    return home;
  }

  /** Adds a device, and waits until it is ready and we have seen that, and how long it has been up. */
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
    if (options.misbehaviour?.noStatistics !== true) await this.#hearUptime(id);
    return device;
  }

  /** A reboot is proven by an uptime that fell, so the one before must be known. */
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

  /** Lets a device sleep so long, and then be awake so long, on the clock; until it has had a result. */
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

  /** Runs a job. @returns its summary to come, as soon as it has found its devices */
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

  /** Takes part in the events of a job. */
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

  /** Images that have come to a device. */
  images(device: string): number {
    return this.devices.get(device)?.received.filter(isImage).length ?? 0;
  }

  /** Images of which every byte has come to a device. */
  wholeImages(device: string): number {
    const received = this.devices.get(device)?.received ?? [];
    return received.filter((each) => isImage(each) && each.bytes === each.total).length;
  }

  /** The devices that are being served. */
  get running(): string[] {
    return [...this.#served.values()].map(({ device }) => device);
  }

  /** Resolves with the next thing that happens. */
  async change(): Promise<void> {
    await once(this.#changes, 'change');
  }

  /**
   * Resolves when we have seen all that the devices have said, and those that are served have received what was sent;
   * the jobs have drawn their conclusions then.
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

  /** The same, and no device is being served. */
  async quiet(): Promise<void> {
    await this.inStep();
    while (this.running.length > 0) {
      await this.change();
      await this.inStep();
    }
  }

  /** Lets time pass until something is so; devices are served in no time. */
  async until(isSo: () => boolean): Promise<void> {
    for (await this.quiet(); !isSo(); await this.quiet()) {
      if (!Number.isFinite(this.clock.next)) throw new Error('Nothing more will happen');
      await this.#to(this.clock.next);
    }
  }

  /** Lets so many ms pass; devices are served in no time. */
  async pass(ms: number): Promise<void> {
    const end = this.clock.now() + ms;
    for (await this.quiet(); this.clock.next <= end; await this.quiet()) await this.#to(this.clock.next);
    await this.#to(end);
    await this.quiet();
  }

  /** Whoever asks the broker, because his time has passed, has his answer then: they come in their order. */
  async #to(time: number): Promise<void> {
    await this.clock.to(time);
    await this.#seeAll();
  }

  /** Resolves when we have seen all that the broker has acknowledged so far, where we are connected. */
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
