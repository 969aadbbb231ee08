import { type AdvertisementStep, advertisement, type Identity, statistics } from './advertisement';
import { textOf } from './bytes';
import { publishedFile } from './configuration';
import { OtaReceipt, type Part } from './ota';
import type { Updater } from './updater';

/** What the firmware does to the world around it. */
export interface World {
  /** @param topic below the device's own. @returns resolves when the broker has acknowledged it */
  publish(topic: string, payload: string, qos: 0 | 1): Promise<void>;
  /** The text of config.json as it is now; `configuration` of the identity is what it was at boot. */
  readFile(): string;
  /** Whether patches are dealt with at all. */
  hears(): boolean;
  /** @returns whether the patch was taken and written, to be read at the next boot */
  patchFile(patch: string): boolean;
}

/** Bytes of the longest topic that AsyncMqttClient takes in, as homie-esp8266 sets it up. */
export const MAX_TOPIC_LENGTH = 129;

/**
 * The memory of one boot of Homie for ESP8266 (BootNormal.cpp), with the sketch of the recordings: one node `light`
 * with the settable property `on`. It is driven by the device around it, and knows no time.
 */
export class Homie {
  readonly #identity: Identity;
  readonly #updater: Updater;
  readonly #world: World;
  readonly ota: OtaReceipt;
  /** The sketch was told on this connection that MQTT is ready. */
  ready = false;
  /** The sketch wants the device to sleep; no connection is made any more. */
  flaggedForSleep = false;
  /** The device is to forget its configuration. */
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

  /** A new image or a new configuration waits for an idle moment to be booted. */
  get flaggedForReboot(): boolean {
    return this.ota.finished || this.#patched;
  }

  /** The generation of Homie. */
  get generation(): 2 | 3 {
    return this.#identity.homie;
  }

  /** Where the device's topics stand. */
  get root(): string {
    return this.#identity.configuration.baseTopic + this.#identity.configuration.deviceId;
  }

  get will(): { topic: string; payload: string } {
    return this.#identity.homie === 2
      ? { topic: `${this.root}/$online`, payload: 'false' }
      : { topic: `${this.root}/$state`, payload: 'lost' };
  }

  /** What it says before it sleeps. */
  get sleeping(): { publish: string; payload: string } {
    return this.#identity.homie === 2
      ? { publish: '$online', payload: 'false' }
      : { publish: '$state', payload: 'sleeping' };
  }

  /** What an update that was cut off left in the updater is thrown away; that it was ongoing is not. */
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

  /** Whether images come on this topic, which is a whole one. */
  isFirmware(topic: string): boolean {
    return topic.startsWith(`${this.root}/$implementation/ota/firmware/`);
  }

  /** One part of a message, as it comes: _onMqttMessage. Empty messages are ignored. */
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
        // Nothing of the sketch is published before it was told that MQTT is ready.
        if (this.ready && (payload === 'true' || payload === 'false')) void this.publish('light/on', payload, 1);
        return;
      default:
    }
  }
}
