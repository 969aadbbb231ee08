import { EventEmitter, once } from 'node:events';
import { Board } from './board';
import { patchedFile } from './configuration';
import type { Homie } from './homie';
import type { Link, LinkOptions } from './link';
import { type Misbehaviour, mishapAt } from './misbehaviour';
import type { DeviceOptions } from './options';
import { Session } from './session';
import { SleepTimer } from './sleep';
import { noteTransfer, type ReceivedFirmware } from './transfers';
import { Uplink } from './uplink';

export type { DeviceOptions } from './options';
export type { ReceivedFirmware } from './transfers';

/**
 * `off` is a device that does nothing more before it is switched on again: hung, or never started. `asleep` is one whose
 * boot is due.
 */
type Phase = 'off' | 'connecting' | 'ready' | 'asleep';

interface DeviceEvents {
  /** The device starts; the MD5 of the image that it runs. */
  boot: [checksum: string];
  phase: [phase: Phase];
  /** The broker has acknowledged the `ready`. */
  ready: [];
  /** The firmware publishes this, below the device's topic. */
  publish: [topic: string, payload: string];
  /** The same for the OTA status; it may get lost by misbehaviour. */
  status: [text: string];
  /** The connection has ended, or did not come about. */
  disconnected: [error: Error | undefined];
  /** So many bytes of a firmware message have come, and were dealt with. */
  part: [topic: string, bytes: number, total: number];
  /** A message has come to its end, whatever became of it. */
  message: [topic: string];
}

/** Milliseconds: each statistic but the first waits for 0.5 s in the recordings of AsyncMqttClient 0.9.0. */
const SETTLING = 1400;
const STATUS = '$implementation/ota/status';
/** By the generation of Homie. */
const LAST_STATISTIC = { 2: '$stats/uptime', 3: '$stats/freeheap' } as const;

/** A Homie device on a real broker. Time passes in it only where it does in the firmware. */
export class SimulatedDevice extends EventEmitter<DeviceEvents> {
  readonly #options: DeviceOptions;
  readonly #board: Board;
  #homie: Homie;
  readonly #uplink: Uplink;
  readonly #sleep: SleepTimer;
  #session: Session | undefined;
  #bootedAt: number;
  #phase: Phase = 'off';
  #misbehaviour: Misbehaviour;
  #struck = 0;
  /** The statistics that follow the `ready` of this connection have not come yet. */
  #awaitsStatistics = true;
  /** The patches that came, in order. */
  readonly patches: string[] = [];
  /** Every firmware message that came, in order. */
  readonly received: ReceivedFirmware[] = [];

  constructor(options: DeviceOptions) {
    super();
    this.#options = options;
    this.#misbehaviour = { ...options.misbehaviour };
    this.#board = new Board(options, () => this.#misbehaviour);
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
  get baseTopic(): string {
    return this.#board.configuration.baseTopic;
  }
  /** `$mac`. */
  get mac(): string {
    return this.#board.mac;
  }
  /** The text of config.json, with its secrets. */
  get file(): string {
    return this.#board.file;
  }
  /** Puts another config.json into the flash, as with a serial cable; it is read when it is needed next. */
  set file(text: string) {
    this.#board.file = text;
  }
  /** The image that runs, as it is in the flash. */
  get image(): Buffer {
    return this.#board.image;
  }
  /** MD5 of it, as the device reports it. */
  get checksum(): string {
    return this.#board.checksum;
  }
  get phase(): Phase {
    return this.#phase;
  }
  /** Whether it takes itself to be in the middle of an update: it is half dead when nothing of one is on its way. */
  get isUpdating(): boolean {
    return this.#homie.ota.ongoing;
  }
  /** Whether it has an image or a patch to boot. */
  get hasToBoot(): boolean {
    return this.#homie.flaggedForReboot;
  }
  /** Whether it is about to sleep. */
  get flaggedForSleep(): boolean {
    return this.#homie.flaggedForSleep;
  }
  /** Whether it can connect: its network and its broker are those that its configuration names. */
  get finds(): boolean {
    return this.#board.finds;
  }

  get misbehaviour(): Misbehaviour {
    return this.#misbehaviour;
  }
  /** From now on the device misbehaves like this. */
  set misbehaviour(misbehaviour: Misbehaviour) {
    this.#misbehaviour = { ...misbehaviour };
    this.#struck = 0;
  }

  /**
   * Switches the device on.
   * @returns resolves once the broker has acknowledged its `ready`; rejects when it will never come to that
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

  /** Switches the device on, and waits for nothing. */
  switchOn(): void {
    this.emit('boot', this.checksum);
    this.#enter('connecting');
    // A config.json that the firmware cannot read takes it to configuration mode, without Wi-Fi.
    if (!this.#board.configuration.loadable) this.#enter('off');
    else if (this.#board.finds) this.#uplink.start(this.#options.bootDelay ?? 50);
  }

  /** Takes the power away. The broker sees the connection end, and nothing is left behind in this process. */
  async stop(): Promise<void> {
    this.#switchOff();
    await this.#uplink.close();
  }

  /**
   * Takes the power away for a moment. Wakes a device that hangs, or that never came back.
   * @returns resolves once the broker has acknowledged its `ready`
   */
  async restart(): Promise<void> {
    await this.stop();
    this.#bootedAt = performance.now();
    this.#homie = this.#startHomie();
    await this.start();
  }

  /**
   * Homie.prepareToSleep() in the sketch, whatever its timer says. The device publishes `$state` sleeping, disconnects
   * when the broker has acknowledged it, and is `asleep`; without a connection at once (BootNormal.cpp, Homie.cpp). While
   * an update runs nothing comes of it before the end; an update that succeeds is booted first. One that does not run does
   * nothing.
   */
  prepareToSleep(): void {
    if (this.#phase === 'off' || this.#phase === 'asleep') return;
    const { ready } = this.#homie;
    this.#homie.flaggedForSleep = true;
    // The loop does not come in between while a part of a message is taken in.
    if (ready) queueMicrotask(() => this.#session?.loop());
    else this.#fallAsleep();
  }

  /**
   * Wakes a device that is asleep, whatever its timer says: it boots.
   * @returns resolves once the broker has acknowledged its `ready`
   */
  async wake(): Promise<void> {
    if (this.#phase !== 'asleep') throw new Error('The device is not asleep');
    await this.#untilReady(() => this.#reboot());
  }

  /** Cuts the connection; the device runs on and reconnects. */
  dropConnection(): void {
    this.#uplink.current?.destroy();
  }

  /** The device crashes, and boots again without telling the broker. One that does not run does nothing. */
  crash(): void {
    if (this.#phase === 'off' || this.#phase === 'asleep') return;
    this.#uplink.current?.freeze();
    this.#reboot();
  }

  /** Homie.setIdle() in the sketch. */
  setIdle(idle: boolean): void {
    this.#misbehaviour.notIdle = !idle;
    this.#session?.loop();
  }

  #startHomie(): Homie {
    return this.#board.boot(
      {
        publish: (topic, payload, qos) => this.#publish(topic, payload, qos),
        readFile: () => this.#board.file,
        hears: () => !this.#misbehaviour.deaf,
        patchFile: (patch) => this.#patchFile(patch),
      },
      this.#misbehaviour.comesBackWith,
    );
  }

  #patchFile(patch: string): boolean {
    this.patches.push(patch);
    const { forgets } = this.#misbehaviour;
    const kept = forgets === undefined ? patch : without(patch, forgets);
    const file = patchedFile(this.#board.file, kept, this.#options.settings);
    if (file !== undefined) this.#board.file = file;
    return file !== undefined;
  }

  #enter(phase: Phase): void {
    if (this.#phase === phase) return;
    this.#phase = phase;
    this.emit('phase', phase);
  }

  /** Nothing of this boot goes on. */
  #halt(): void {
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
    const { statisticsDelay = 0 } = this.#misbehaviour;
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
    // The loop reboots an idle device without a connection, too (BootNormal.cpp, loop).
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
    const { noStatistics, loseFirstStatistics } = this.#misbehaviour;
    // The one before `ready` belongs to the advertisement.
    const isFirst = this.#phase === 'ready' && this.#awaitsStatistics;
    if (isFirst && topic === LAST_STATISTIC[this.#homie.generation]) this.#awaitsStatistics = false;
    return (noStatistics === true && topic === '$stats/uptime') || (loseFirstStatistics === true && isFirst);
  }

  #losesStatus(status: string): boolean {
    const { loseStatuses, dropBefore, times = 1 } = this.#misbehaviour;
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

  /** @param bytes of an image that have come */
  #befall(link: Link, bytes: number): void {
    const mishap = mishapAt(this.#misbehaviour, bytes);
    if (mishap === undefined || this.#struck >= (this.#misbehaviour.times ?? 1)) return;
    this.#struck += 1;
    if (mishap === 'drop') {
      link.destroy();
      return;
    }
    link.freeze();
    if (mishap === 'crash') this.#reboot();
    else this.#switchOff();
  }

  #rebootIfDue(link: Link): void {
    if (!link.alive || !this.rebootIsDue) return;
    if ((this.#misbehaviour.reboot ?? 'fin') === 'fin') link.end();
    else link.freeze();
    this.#rebootOrDie();
  }

  /** Whether the device reboots in its next loop. */
  get rebootIsDue(): boolean {
    return this.#misbehaviour.notIdle !== true && (this.#homie.flaggedForReboot || this.#homie.resetting);
  }

  #rebootOrDie(): void {
    const { reboot, neverBack } = this.#misbehaviour;
    // Without a configuration the device opens an access point of its own.
    if (reboot === 'hang' || neverBack || this.#homie.resetting) this.#switchOff();
    else this.#reboot();
  }
}

/** A patch without one of its members. */
function without(patch: string, key: string): string {
  const values: object = JSON.parse(patch);
  return JSON.stringify(Object.fromEntries(Object.entries(values).filter(([name]) => name !== key)));
}
