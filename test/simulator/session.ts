import { EventEmitter } from 'node:events';
import { setImmediate as turn, setTimeout as delay } from 'node:timers/promises';
import type { AdvertisementStep } from './advertisement';
import { byteLength } from './bytes';
import type { Flash } from './flash';
import type { Homie } from './homie';
import type { Link } from './link';
import type { Piece } from './segments';

interface SessionOptions {
  readonly link: Link;
  readonly homie: Homie;
  readonly flash: Flash;
  /** Milliseconds for each 4 KiB. */
  readonly flashDelay: number;
  /** Bytes. */
  readonly segment: number;
  /** Milliseconds from `ready` to the first statistics. */
  readonly statisticsDelay: number;
  /** Seconds between statistics. */
  readonly statsInterval: number;
  readonly mqttClient: '0.8.2' | '0.9.0';
  /** Milliseconds after `ready` in which acknowledgements are outstanding. */
  readonly settling: number;
  /** Seconds since boot. */
  readonly uptime: () => number;
}

interface SessionEvents {
  /** `ready` was published, or the device waits indefinitely before it. */
  advertised: [stuck: boolean];
  /** The broker has acknowledged the `ready`. */
  ready: [];
  /** The device has processed this many bytes of a message. */
  part: [topic: string, bytes: number, total: number];
  /** The loop of the sketch runs once. */
  loop: [];
  /** The sketch is told that MQTT is ready. */
  notified: [];
}

/** Number of segments that lwIP delivers before the loop of the sketch runs: its window is four segments. */
const SEGMENTS_PER_LOOP = 4;
/** Bytes of a QoS 1 PUBLISH besides topic and payload, if the payload has more than 127 bytes. */
const PUBLISH_HEADER = 7;

/** One connection of a running device: what Homie sends on it, how it processes what it receives, and when. */
export class Session extends EventEmitter<SessionEvents> {
  readonly #options: SessionOptions;
  #advertised = false;
  #readyAt = Infinity;
  #statisticsDue = false;
  #parting = false;
  #statisticsTimer: NodeJS.Timeout | undefined;
  #firstStatistics: NodeJS.Timeout | undefined;
  #silence: NodeJS.Timeout | undefined;
  #segments = 0;
  #midMessage = false;

  constructor(options: SessionOptions) {
    super();
    this.#options = options;
    const { link } = options;
    let receiving = false;
    link.once('open', () => void this.#advertise());
    link.on('data', () => {
      if (receiving) return;
      receiving = true;
      void this.#receive().finally(() => (receiving = false));
    });
    link.once('close', () => this.end());
  }

  /** Publishes below the device's topic. Resolves when the broker has acknowledged it; immediately at QoS 0. */
  publish(topic: string, payload: string, qos: 0 | 1): Promise<void> {
    const { link, homie } = this.#options;
    return link.publish(`${homie.root}/${topic}`, payload, qos);
  }

  /** Runs the loop once (BootNormal.cpp, loop). */
  loop(): void {
    const { link, homie, uptime } = this.#options;
    if (link.alive) homie.service();
    this.emit('loop');
    if (!link.alive || !this.#advertised || homie.ota.ongoing) return;
    if (!homie.ready) {
      homie.ready = true;
      this.emit('notified');
    }
    if (homie.flaggedForSleep && !this.#parting) void this.#part();
    if (!this.#statisticsDue) return;
    this.#statisticsDue = false;
    homie.publishStatistics(uptime());
  }

  end(): void {
    this.#advertised = false;
    clearTimeout(this.#firstStatistics);
    clearTimeout(this.#silence);
    clearInterval(this.#statisticsTimer);
  }

  /** Announces that the device is going to sleep, and disconnects when the broker has acknowledged it. */
  async #part(): Promise<void> {
    const { link, homie } = this.#options;
    this.#parting = true;
    await homie.publish(homie.sleeping.publish, homie.sleeping.payload, 1);
    link.disconnect();
  }

  async #advertise(): Promise<void> {
    const { link, homie, statsInterval, statisticsDelay } = this.#options;
    const steps = homie.connected();
    const ready = steps.pop();
    const subscribed: Promise<void>[] = [];
    for (const step of steps) {
      if ('subscribe' in step) {
        subscribed.push(link.subscribe(step.subscribe, step.qos));
      } else if (this.#fits(step)) {
        void homie.publish(step.publish, step.payload, 1);
      } else {
        this.emit('advertised', true);
        return;
      }
    }
    // Retained messages arrive with the subscriptions: the device answers firmware, and boots a patch, before it is
    // ready. It does not wait for the rest of an image, behind which the broker may acknowledge the subscriptions.
    await Promise.race([Promise.all(subscribed), this.#untilPartOfImage()]);
    await this.#quiet();
    if (link.alive) homie.service();
    this.emit('loop');
    if (!link.alive || !ready || 'subscribe' in ready) return;
    this.#readyAt = performance.now();
    const isReady = homie.publish(ready.publish, ready.payload, 1);
    this.#advertised = true;
    this.#statisticsTimer = setInterval(() => this.#publishStatistics(), statsInterval * 1000);
    this.emit('advertised', false);
    if (statisticsDelay > 0) this.#firstStatistics = setTimeout(() => this.#publishStatistics(), statisticsDelay);
    else this.#statisticsDue = true;
    this.loop();
    await isReady;
    this.emit('ready');
  }

  /** Waits for a part of a message that is not its last. */
  #untilPartOfImage(): Promise<void> {
    return new Promise((resolve) => {
      this.on('part', (_topic, bytes, total) => bytes < total && resolve());
    });
  }

  /** Publishes statistics as soon as the loop runs and no update is running. */
  #publishStatistics(): void {
    this.#statisticsDue = true;
    this.loop();
  }

  /** AsyncMqttClient 0.8.2 sends a packet only if all of it fits into lwIP's send buffer of two segments. */
  #fits({ publish, payload }: Extract<AdvertisementStep, { publish: string }>): boolean {
    const { homie, segment, mqttClient } = this.#options;
    if (mqttClient === '0.9.0' || !homie.usesAsyncMqttClient) return true;
    const length = PUBLISH_HEADER + Buffer.byteLength(`${homie.root}/${publish}`) + byteLength(payload);
    return length <= 2 * segment;
  }

  async #receive(): Promise<void> {
    const { link } = this.#options;
    do {
      for (let piece = link.next(); piece; piece = link.next()) {
        this.#take(piece);
        await this.#flashTime();
        if (!link.alive) return;
        if (!piece.endsSegment) continue;
        this.#segments += 1;
        if (this.#segments % SEGMENTS_PER_LOOP > 0) continue;
        this.loop();
        await turn();
      }
    } while (await this.#moreCame());
    this.#segments = 0;
    if (link.alive) this.loop();
    this.#watchSilence();
    if (!this.#midMessage || link.endedByBroker) link.release();
  }

  /** Runs the loop when no byte of an image has come for as long as the firmware waits. */
  #watchSilence(): void {
    const { link, homie } = this.#options;
    clearTimeout(this.#silence);
    if (link.alive && homie.ota.ongoing) this.#silence = setTimeout(() => this.loop(), homie.otaTimeout + 5);
  }

  /**
   * AsyncMqttClient 0.9.0 sends in order, and a QoS 1 message stays first until it is acknowledged. If an image arrives
   * before the last acknowledgement, the device sends nothing until the image is complete; a device that then reboots
   * never reports anything about the update. The broker misses the PINGREQ (`amc09_ota_slow_right_after_ready`), but
   * the device still receives what the broker has sent.
   */
  #holdBack(topic: string): void {
    const { link, homie, mqttClient, settling } = this.#options;
    if (mqttClient !== '0.9.0' || !homie.usesAsyncMqttClient || !homie.isFirmware(topic)) return;
    if (performance.now() - this.#readyAt < settling) link.holdBack();
  }

  #take({ header, payload, index }: Extract<Piece, { kind: 'publish' }>): void {
    const { link, homie } = this.#options;
    const { topic, qos, retain: retained, total, messageId = 0 } = header;
    const bytes = index + payload.length;
    this.#midMessage = bytes < total;
    const delivered = homie.delivered(topic);
    if (index === 0) this.#holdBack(topic);
    if (delivered !== undefined) homie.receive(delivered, { payload, index, total, retained });
    this.emit('part', topic, bytes, total);
    if (delivered === undefined || bytes < total || qos === 0) return;
    link.send({ cmd: qos === 1 ? 'puback' : 'pubrec', messageId });
  }

  async #flashTime(): Promise<void> {
    const { flash, flashDelay } = this.#options;
    const milliseconds = flash.written * flashDelay;
    flash.written = 0;
    if (milliseconds > 0) await delay(milliseconds);
  }

  async #moreCame(): Promise<boolean> {
    const { link } = this.#options;
    const before = link.bytesRead;
    await this.#quiet();
    return link.alive && link.bytesRead !== before;
  }

  /** Waits a few turns of the event loop, so that bytes on their way can arrive. */
  async #quiet(): Promise<void> {
    for (let turns = 0; turns < 3 && this.#options.link.alive; turns++) await turn();
  }
}
