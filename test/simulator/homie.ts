import { type AdvertisementStep, advertisement, baseOf, type Identity, statistics } from './advertisement';
import { textOf } from './bytes';
import { publishedFile } from './configuration';
import type { Part, Receipt } from './ota';
import { StatusSlot } from './status-slot';
import type { Updater } from './updater';

/** The surroundings of the firmware, as the firmware uses them. */
export interface World {
  /** Publishes below the device's topic. Resolves when the broker has acknowledged it. */
  publish(topic: string, payload: string, qos: 0 | 1): Promise<void>;
  /** Returns the current text of config.json; `configuration` of the identity is the one from boot. */
  readFile(): string;
  /** Returns whether the device processes patches at all. */
  hears(): boolean;
  /** Writes a patched config.json for the next boot. @returns false if the patch was refused */
  patchFile(patch: string): boolean;
  /** Returns whether a status that waits for the loop goes on waiting. */
  delays(status: string): boolean;
}

/** Times that tests shorten, in ms. */
export interface Pace {
  /** From a status to a reboot, in a firmware that waits. */
  readonly statusGrace?: number;
  /** Without a byte until an update ends, in a firmware that ends it. */
  readonly otaTimeout?: number;
}

/** The default of the firmware (HOMIE_OTA_TIMEOUT_MS). */
const OTA_TIMEOUT = 60_000;

/**
 * The state of one boot of Homie for ESP8266 (BootNormal.cpp), with the sketch of the recordings: one node `light` with
 * the settable property `on`. It has no timers; the device around it drives it.
 */
export class Homie {
  readonly #identity: Identity;
  readonly #world: World;
  readonly #slot: StatusSlot;
  readonly #statusGrace: number;
  /** Milliseconds without a byte after which the firmware may end an update. */
  readonly otaTimeout: number;
  readonly ota: Receipt;
  /** Whether the sketch was told on this connection that MQTT is ready. */
  ready = false;
  /** Whether the sketch wants the device to sleep. The device no longer connects then. */
  flaggedForSleep = false;
  /** Whether the device will erase its configuration. */
  resetting = false;
  #patched = false;
  #collected: Buffer[] = [];

  constructor(identity: Identity, updater: Updater, world: World, pace: Pace = {}) {
    const { dialect } = identity;
    const publish = (text: string) => void world.publish('$implementation/ota/status', text, 0);
    this.#identity = identity;
    this.#world = world;
    this.#slot = new StatusSlot(publish);
    this.#statusGrace = pace.statusGrace ?? dialect.statusGrace;
    this.otaTimeout = pace.otaTimeout ?? OTA_TIMEOUT;
    this.ota = dialect.receipt({
      enabled: identity.configuration.otaEnabled,
      checksum: identity.firmware.checksum,
      implementation: identity.implementation,
      homie: identity.homie,
      updater,
      status: (text) => (dialect.statusSlot ? this.#slot.put(text) : publish(text)),
      rebootWaits: () => this.flaggedForReboot,
      patience: this.otaTimeout,
    });
  }

  /** Whether a new image or configuration waits for an idle moment to be booted. */
  get flaggedForReboot(): boolean {
    return this.ota.finished || this.#patched;
  }

  /** Milliseconds that a reboot still waits, so that the last status gets out. */
  get rebootDelay(): number {
    return this.#slot.changedAt + this.#statusGrace - performance.now();
  }

  /** Last topic of the statistics. */
  get lastStatistic(): string {
    return statistics(this.#identity, 0).at(-1)?.publish ?? '';
  }

  /** Whether the MQTT client is AsyncMqttClient. */
  get usesAsyncMqttClient(): boolean {
    return this.#identity.dialect.asyncMqttClient;
  }

  /** Base topic and device id. */
  get root(): string {
    return baseOf(this.#identity) + this.#identity.configuration.deviceId;
  }

  get will(): { topic: string; payload: string } {
    return this.#identity.homie === 2
      ? { topic: `${this.root}/$online`, payload: 'false' }
      : { topic: `${this.root}/$state`, payload: 'lost' };
  }

  /** The message that announces sleep. */
  get sleeping(): { publish: string; payload: string } {
    return this.#identity.homie === 2
      ? { publish: '$online', payload: 'false' }
      : { publish: '$state', payload: 'sleeping' };
  }

  /** Returns what the device publishes and subscribes to on a new connection. A status that waits is sent before. */
  connected(): AdvertisementStep[] {
    const { convention, dialect } = this.#identity;
    this.ota.connected();
    this.service();
    const root = convention === 5 ? baseOf(this.#identity) : undefined;
    return advertisement(this.#identity, publishedFile(this.#world.readFile(), dialect, root));
  }

  disconnected(): void {
    this.ready = false;
    this.ota.disconnected();
  }

  /** Does what the loop does first: ends an update that is too slow, and sends a status that waits. */
  service(): void {
    this.ota.service();
    this.#slot.flush((status) => this.#world.delays(status));
  }

  /** Returns a topic as the MQTT client delivers it; undefined if it ignores the message. */
  delivered(topic: string): string | undefined {
    const { limit, longer } = this.#identity.dialect.topics;
    const bytes = Buffer.from(topic);
    if (bytes.length <= limit) return topic;
    return longer === 'cut' ? bytes.toString('utf8', 0, limit) : undefined;
  }

  publish(topic: string, payload: string, qos: 0 | 1): Promise<void> {
    return this.#world.publish(topic, payload, qos);
  }

  /** @param uptime seconds since boot */
  publishStatistics(uptime: number): void {
    for (const { publish, payload } of statistics(this.#identity, uptime)) void this.publish(publish, payload, 1);
  }

  /** Returns whether the full topic is one for images. */
  isFirmware(topic: string): boolean {
    return topic.startsWith(`${this.root}/$implementation/ota/firmware/`);
  }

  /** Processes one part of a message (_onMqttMessage). Ignores empty messages. */
  receive(topic: string, part: Part): void {
    if (part.total === 0) return;
    const { deviceId } = this.#identity.configuration;
    const [device, ...levels] = topic.slice(baseOf(this.#identity).length).split('/');
    const path = levels.join('/');
    const firmware = /^\$implementation\/ota\/firmware\/([^/]*)$/.exec(path);
    if (device === deviceId && firmware) {
      this.ota.receive(firmware[1] ?? '', part);
      return;
    }
    if (part.total > this.#identity.dialect.largestMessage) return;
    if (part.index === 0) this.#collected = [];
    this.#collected.push(part.payload);
    const complete = part.index + part.payload.length === part.total;
    if (!complete || device !== deviceId) return;
    this.#handle(path, textOf(Buffer.concat(this.#collected)), part.retained === true);
  }

  #handle(path: string, payload: string, retained: boolean): void {
    switch (path) {
      case '$implementation/reset':
        if (payload !== 'true') return;
        void this.publish(path, 'false', 1);
        this.resetting = true;
        return;
      case '$implementation/config/set':
        if (!this.#world.hears()) return;
        void this.publish(path, '', 1);
        if (this.#world.patchFile(payload)) this.#patched = true;
        return;
      case 'light/on/set':
        // A command is not retained in convention 5, or else is ignored.
        if (retained && this.#identity.convention === 5) return;
        // The sketch publishes nothing before it was told that MQTT is ready.
        if (this.ready && (payload === 'true' || payload === 'false')) void this.publish('light/on', payload, 1);
        return;
      default:
    }
  }
}
