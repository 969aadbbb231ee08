import { type AdvertisementStep, advertisement, type Identity, statistics } from './advertisement';
import { textOf } from './bytes';
import { publishedFile } from './configuration';
import { OtaReceipt, type Part } from './ota';
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
}

/** Bytes of the longest topic that AsyncMqttClient accepts, as configured by homie-esp8266. */
export const MAX_TOPIC_LENGTH = 129;

/**
 * The state of one boot of Homie for ESP8266 (BootNormal.cpp), with the sketch of the recordings: one node `light` with
 * the settable property `on`. It has no timers; the device around it drives it.
 */
export class Homie {
  readonly #identity: Identity;
  readonly #updater: Updater;
  readonly #world: World;
  readonly ota: OtaReceipt;
  /** Whether the sketch was told on this connection that MQTT is ready. */
  ready = false;
  /** Whether the sketch wants the device to sleep. The device no longer connects then. */
  flaggedForSleep = false;
  /** Whether the device will erase its configuration. */
  resetting = false;
  #patched = false;
  #collected: Buffer[] = [];

  constructor(identity: Identity, updater: Updater, world: World) {
    this.#identity = identity;
    this.#updater = updater;
    this.#world = world;
    this.ota = new OtaReceipt({
      enabled: identity.configuration.otaEnabled,
      checksum: identity.firmware.checksum,
      implementation: identity.implementation,
      homie: identity.homie,
      updater,
      status: (text) => void world.publish('$implementation/ota/status', text, 0),
    });
  }

  /** Whether a new image or configuration waits for an idle moment to be booted. */
  get flaggedForReboot(): boolean {
    return this.ota.finished || this.#patched;
  }

  /** Generation of Homie. */
  get generation(): 2 | 3 {
    return this.#identity.homie;
  }

  /** Base topic and device id. */
  get root(): string {
    return this.#identity.configuration.baseTopic + this.#identity.configuration.deviceId;
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

  /**
   * Returns what the device publishes and subscribes to on a new connection. The updater discards the rest of an update
   * that was cut off, but `ota.ongoing` stays set.
   */
  connected(): AdvertisementStep[] {
    this.#updater.end(false);
    return advertisement(this.#identity, publishedFile(this.#world.readFile()));
  }

  disconnected(): void {
    this.ready = false;
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
    const { baseTopic, deviceId } = this.#identity.configuration;
    const [device, ...levels] = topic.slice(baseTopic.length).split('/');
    const path = levels.join('/');
    const firmware = /^\$implementation\/ota\/firmware\/([^/]*)$/.exec(path);
    if (device === deviceId && firmware) {
      this.ota.receive(firmware[1] ?? '', part);
      return;
    }
    if (part.index === 0) this.#collected = [];
    this.#collected.push(part.payload);
    const complete = part.index + part.payload.length === part.total;
    if (complete && device === deviceId) this.#handle(path, textOf(Buffer.concat(this.#collected)));
  }

  #handle(path: string, payload: string): void {
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
        // The sketch publishes nothing before it was told that MQTT is ready.
        if (this.ready && (payload === 'true' || payload === 'false')) void this.publish('light/on', payload, 1);
        return;
      default:
    }
  }
}
