import { EventEmitter, once } from 'node:events';
import { Board } from './board';
import { patchedFile } from './configuration';
import type { Homie } from './homie';
import type { Link, LinkOptions } from './link';
import { type Misbehavior, mishapAt } from './misbehavior';
import type { DeviceOptions } from './options';
import { Session } from './session';
import { SleepTimer } from './sleep';
import { noteTransfer, type ReceivedFirmware } from './transfers';
import { Uplink } from './uplink';

export type { DeviceOptions } from './options';
export type { ReceivedFirmware } from './transfers';

/**
 * `off`: the device hangs or has not started, and does nothing until it is switched on. `asleep`: the device waits for
 * the boot that ends its sleep.
 */
type Phase = 'off' | 'connecting' | 'ready' | 'asleep';

interface DeviceEvents {
  /** The device starts, with the MD5 of the image that it runs. */
  boot: [checksum: string];
  phase: [phase: Phase];
  /** The broker has acknowledged the `ready`. */
  ready: [];
  /** The firmware publishes a message below the device's topic. */
  publish: [topic: string, payload: string];
  /** The firmware publishes an OTA status, which may get lost by misbehavior. */
  status: [text: string];
  /** The connection has ended or could not be made. */
  disconnected: [error: Error | undefined];
  /** The device has processed this many bytes of a firmware message. */
  part: [topic: string, bytes: number, total: number];
  /** The device has received all of a message, whether or not it acted on it. */
  message: [topic: string];
}

/** Milliseconds. In the recordings of AsyncMqttClient 0.9.0, each statistic after the first waits for 0.5 s. */
const SETTLING = 1400;
const STATUS = '$implementation/ota/status';

/** A simulated Homie device on a real broker. It takes time only where the firmware does. */
export class SimulatedDevice extends EventEmitter<DeviceEvents> {
  readonly #options: DeviceOptions;
  readonly #board: Board;
  #homie: Homie;
  readonly #uplink: Uplink;
  readonly #sleep: SleepTimer;
  #session: Session | undefined;
  #rebootTimer: NodeJS.Timeout | undefined;
  #bootedAt: number;
  #phase: Phase = 'off';
  #misbehavior: Misbehavior;
  #struck = 0;
  /** Whether the statistics after the `ready` of this connection are still due. */
  #awaitsStatistics = true;
  /** The received patches, in order. */
  readonly patches: string[] = [];
  /** The received firmware messages, in order. */
  readonly received: ReceivedFirmware[] = [];

  constructor(options: DeviceOptions) {
    super();
    this.#options = options;
    this.#misbehavior = { ...options.misbehavior };
    this.#board = new Board(options, () => this.#misbehavior);
    this.#bootedAt = performance.now() - (options.uptime ?? 0) * 1000;
    this.#homie = this.#startHomie();
    this.#sleep = new SleepTimer(options.sleep);
    this.#uplink = new Uplink(() => this.#linkOptions(), options.backoff);
    this.#uplink.on('link', (link) => this.#converse(link));
    this.#uplink.on('lost', (error) => this.#lost(error));
  }

  get id(): string {
    return this.#board.configuration.deviceId;
  }
  /** What stands before the id in each topic: the base topic, in convention 5 with `5/` behind it. */
  get baseTopic(): string {
    return this.#board.root;
  }
  /** `$mac`. */
  get mac(): string {
    return this.#board.mac;
  }
  /** The text of config.json, with its secrets. */
  get file(): string {
    return this.#board.file;
  }
  /** Puts another config.json into the flash, as with a serial cable. The device reads it when it needs it next. */
  set file(text: string) {
    this.#board.file = text;
  }
  /** The images that were received, at least in part. The question whether an update was cut off has 4,096 bytes. */
  get images(): ReceivedFirmware[] {
    return this.received.filter(({ total }) => total > 4096);
  }
  /** The running image, as it is in the flash. */
  get image(): Buffer {
    return this.#board.image;
  }
  /** MD5 that the device reports for the running image. */
  get checksum(): string {
    return this.#board.checksum;
  }
  get phase(): Phase {
    return this.#phase;
  }
  /** Whether the device believes that an update is running. If no image is on its way, the device is half dead. */
  get isUpdating(): boolean {
    return this.#homie.ota.ongoing;
  }
  /** Whether an image or a patch waits to be booted. */
  get hasToBoot(): boolean {
    return this.#homie.flaggedForReboot;
  }
  /** Whether the device is about to sleep. */
  get flaggedForSleep(): boolean {
    return this.#homie.flaggedForSleep;
  }
  /** Whether the device can connect: its configuration names the network and the broker that exist. */
  get finds(): boolean {
    return this.#board.finds;
  }

  get misbehavior(): Misbehavior {
    return this.#misbehavior;
  }
  /** Makes the device misbehave like this from now on. */
  set misbehavior(misbehavior: Misbehavior) {
    this.#misbehavior = { ...misbehavior };
    this.#struck = 0;
  }

  /**
   * Switches the device on.
   * @returns resolves once the broker has acknowledged `ready`; rejects if the device cannot start or is switched off
   */
  start(): Promise<void> {
    return this.#untilReady(() => this.switchOn());
  }

  async #untilReady(boot: () => void): Promise<void> {
    const switchedOff = new AbortController();
    const watch = (phase: Phase) => phase === 'off' && switchedOff.abort();
    this.on('phase', watch);
    try {
      const ready = once(this, 'ready', { signal: switchedOff.signal });
      boot();
      await ready;
    } catch {
      throw new Error('The device cannot start, or was switched off');
    } finally {
      this.off('phase', watch);
    }
  }

  /** Switches the device on, without waiting. */
  switchOn(): void {
    this.emit('boot', this.checksum);
    this.#enter('connecting');
    // With a config.json that it cannot read, the firmware starts in configuration mode, without Wi-Fi. With ids that it
    // does not accept, the fork aborts and boots again without end.
    if (!this.#board.starts) this.#enter('off');
    else if (this.#board.finds) this.#uplink.start(this.#options.bootDelay ?? 50);
  }

  /** Cuts the power. The broker sees the connection end. Nothing keeps running in this process. */
  async stop(): Promise<void> {
    this.#switchOff();
    await this.#uplink.close();
  }

  /**
   * Cuts the power for a moment. Revives a device that hangs or never came back.
   * @returns resolves once the broker has acknowledged `ready`
   */
  async restart(): Promise<void> {
    await this.stop();
    this.#bootedAt = performance.now();
    this.#homie = this.#startHomie();
    await this.start();
  }

  /**
   * Calls Homie.prepareToSleep() as the sketch does, whatever its timer says (BootNormal.cpp, Homie.cpp). The device
   * publishes `$state` sleeping, disconnects when the broker has acknowledged it, and is then `asleep`; without a
   * connection it is `asleep` at once. A running update delays this until its end, and a successful update is booted
   * first. Does nothing to a device that is off or asleep.
   */
  prepareToSleep(): void {
    if (this.#phase === 'off' || this.#phase === 'asleep') return;
    const { ready } = this.#homie;
    this.#homie.flaggedForSleep = true;
    // The loop does not run while a part of a message is being processed.
    if (ready) queueMicrotask(() => this.#session?.loop());
    else this.#fallAsleep();
  }

  /**
   * Boots a device that is asleep, whatever its timer says.
   * @returns resolves once the broker has acknowledged `ready`
   */
  async wake(): Promise<void> {
    if (this.#phase !== 'asleep') throw new Error('The device is not asleep');
    await this.#untilReady(() => this.#reboot());
  }

  /** Cuts the connection. The device keeps running and reconnects. */
  dropConnection(): void {
    this.#uplink.current?.destroy();
  }

  /** Crashes the device, which reboots without notifying the broker. Does nothing to a device that is off or asleep. */
  crash(): void {
    if (this.#phase === 'off' || this.#phase === 'asleep') return;
    this.#uplink.current?.freeze();
    this.#reboot();
  }

  /** Calls Homie.setIdle() as the sketch does. */
  setIdle(idle: boolean): void {
    this.#misbehavior.notIdle = !idle;
    this.#session?.loop();
  }

  #startHomie(): Homie {
    return this.#board.boot(
      {
        publish: (topic, payload, qos) => this.#publish(topic, payload, qos),
        readFile: () => this.#board.file,
        hears: () => !this.#misbehavior.deaf,
        patchFile: (patch) => this.#patchFile(patch),
        delays: (status) => this.#misbehavior.delaysStatus?.(status) === true,
      },
      this.#misbehavior.comesBackWith,
    );
  }

  #patchFile(patch: string): boolean {
    this.patches.push(patch);
    const { forgets } = this.#misbehavior;
    const kept = forgets === undefined ? patch : without(patch, forgets);
    const { convention, dialect } = this.#board;
    const file = patchedFile(this.#board.file, kept, this.#options.settings, dialect, convention);
    if (file !== undefined) this.#board.file = file;
    return file !== undefined;
  }

  #enter(phase: Phase): void {
    if (this.#phase === phase) return;
    this.#phase = phase;
    this.emit('phase', phase);
  }

  /** Ends everything that belongs to this boot. */
  #halt(): void {
    clearTimeout(this.#rebootTimer);
    this.#sleep.stop();
    this.#uplink.stop();
    this.#session?.end();
    this.#session = undefined;
  }

  #switchOff(): void {
    this.#halt();
    this.#enter('off');
  }

  #fallAsleep(): void {
    this.#halt();
    this.#sleep.asleep(() => this.#reboot());
    this.#enter('asleep');
  }

  #reboot(): void {
    this.#halt();
    this.#bootedAt = performance.now();
    this.#awaitsStatistics = true;
    this.#homie = this.#startHomie();
    this.switchOn();
  }

  #linkOptions(): LinkOptions {
    const { keepalive = 15, segment = 1460, url, tls } = this.#options;
    const { username, password } = this.#board.configuration.credentials ?? this.#options;
    return {
      url,
      clientId: `Homie-${this.id}`,
      will: this.#homie.will,
      keepalive,
      segment,
      ...(tls !== undefined && { tls }),
      ...(username !== undefined && { username }),
      ...(password !== undefined && { password }),
    };
  }

  #converse(link: Link): void {
    const { segment = 1460, flashDelay = 0, mqttClient = '0.8.2', settling = SETTLING } = this.#options;
    const { flash, configuration } = this.#board;
    const { statsInterval } = configuration;
    const uptime = () => (performance.now() - this.#bootedAt) / 1000;
    const { statisticsDelay = 0 } = this.#misbehavior;
    const pace = { flashDelay, segment, statsInterval, statisticsDelay, settling, uptime };
    const session = new Session({ link, homie: this.#homie, flash, mqttClient, ...pace });
    this.#session = session;
    session.on('advertised', (stuck) => this.#enter(stuck ? 'off' : 'ready'));
    session.on('ready', () => this.emit('ready'));
    session.on('part', (topic, bytes, total) => this.#notice(link, topic, bytes, total));
    session.on('loop', () => this.#rebootIfDue(link));
    session.on('notified', () => this.#sleep.ready(() => this.prepareToSleep()));
  }

  #lost(error: Error | undefined): void {
    this.#session = undefined;
    this.#homie.disconnected();
    this.#awaitsStatistics = true;
    // The loop also reboots an idle device that is not connected (BootNormal.cpp, loop).
    if (this.rebootIsDue) this.#rebootOrDie();
    else if (this.#homie.flaggedForSleep) this.#fallAsleep();
    else this.#enter('connecting');
    this.emit('disconnected', error);
  }

  async #publish(topic: string, payload: string, qos: 0 | 1): Promise<void> {
    if (topic.startsWith('$stats/') && this.#losesStatistic(topic)) return;
    this.emit('publish', topic, payload);
    if (topic === STATUS) {
      this.emit('status', payload);
      if (this.#losesStatus(payload)) return;
    }
    await this.#session?.publish(topic, payload, qos);
  }

  #losesStatistic(topic: string): boolean {
    const { noStatistics, loseFirstStatistics } = this.#misbehavior;
    // A statistic before `ready` belongs to the advertisement.
    const isFirst = this.#phase === 'ready' && this.#awaitsStatistics;
    if (isFirst && topic === this.#homie.lastStatistic) this.#awaitsStatistics = false;
    return (noStatistics === true && topic === '$stats/uptime') || (loseFirstStatistics === true && isFirst);
  }

  #losesStatus(status: string): boolean {
    const { loseStatuses, dropBefore, times = 1 } = this.#misbehavior;
    if (status !== dropBefore || this.#struck >= times) return loseStatuses?.(status) === true;
    this.#struck += 1;
    this.#uplink.current?.destroy();
    return true;
  }

  #notice(link: Link, topic: string, bytes: number, total: number): void {
    if (this.#homie.isFirmware(topic)) {
      noteTransfer(this.received, topic, bytes, total);
      this.emit('part', topic, bytes, total);
      this.#befall(link, bytes);
    }
    if (bytes === total) this.emit('message', topic);
  }

  /** @param bytes of an image that have arrived */
  #befall(link: Link, bytes: number): void {
    const mishap = mishapAt(this.#misbehavior, bytes);
    if (mishap === undefined || this.#struck >= (this.#misbehavior.times ?? 1)) return;
    this.#struck += 1;
    if (mishap === 'drop') {
      link.destroy();
      return;
    }
    if (mishap === 'stall') {
      link.stall();
      return;
    }
    link.freeze();
    if (mishap === 'crash') this.#reboot();
    else this.#switchOff();
  }

  #rebootIfDue(link: Link | undefined): void {
    if (link?.alive === false || !this.#isToReboot) return;
    if (!this.rebootIsDue) {
      clearTimeout(this.#rebootTimer);
      this.#rebootTimer = setTimeout(() => this.#rebootIfDue(this.#uplink.current), this.#homie.rebootDelay);
      return;
    }
    if ((this.#misbehavior.reboot ?? 'fin') === 'fin') link?.end();
    else link?.freeze();
    this.#rebootOrDie();
  }

  get #isToReboot(): boolean {
    return this.#misbehavior.notIdle !== true && (this.#homie.flaggedForReboot || this.#homie.resetting);
  }

  /** Whether the device reboots in its next loop. */
  get rebootIsDue(): boolean {
    return this.#isToReboot && this.#homie.rebootDelay <= 0;
  }

  #rebootOrDie(): void {
    const { reboot, neverBack } = this.#misbehavior;
    // After a reset, without a configuration, the device opens its own access point.
    if (reboot === 'hang' || neverBack || this.#homie.resetting) this.#switchOff();
    else this.#reboot();
  }
}

/** Returns a patch without one of its members. */
function without(patch: string, key: string): string {
  const values: object = JSON.parse(patch);
  return JSON.stringify(Object.fromEntries(Object.entries(values).filter(([name]) => name !== key)));
}
