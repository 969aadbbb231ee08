import type { MqttClient } from 'mqtt';
import { MAX_TIMER } from '../deadline';
import { HomieError } from '../errors';
import { pubackCode, publishError } from './publish-packet';

export interface PublishOptions {
  readonly qos: 0 | 1;
  readonly retain?: boolean;
  /** In ms. */
  readonly timeout: number;
  /** Asked when its turn comes: whether it still makes sense. */
  readonly still?: () => boolean;
}

export interface Published {
  /** MQTT 5, reason code 16: the broker knew of nobody who subscribes to the topic. */
  readonly noSubscribers: boolean;
}

/** A publish that is not settled. */
interface Pending {
  /** Packet id, with QoS 1. */
  id?: number;
  /** Bytes. */
  readonly size: number;
  /** Begins its deadline. */
  readonly start: () => void;
  readonly settle: (outcome: Published | HomieError) => void;
}

/**
 * While the broker acknowledges a publish, the next one may go out: on a quick link only, where one of that size was
 * acknowledged within so many ms. More than two at a time gain nothing (`npm run bench -- --only 3`), and leave more open
 * when the connection is lost.
 */
const QUICK = 100;
const UNDER_WAY = 2;

/** MQTT 5, section 3.4.2.1. */
const NO_SUBSCRIBERS = 16;

/**
 * What is published over one network connection. It goes out one by one, or two by two on a quick link, and a deadline begins
 * when what was before is acknowledged. So that of a small message does not pass behind a large one, and what has not gone
 * out when the connection ends is known not to have been sent.
 */
export class PublishQueue {
  readonly #client: MqttClient;
  readonly #timedOut: () => void;
  /** In their order. */
  readonly #pending = new Set<Pending>();
  /** Bytes that the link has brought to the broker within `QUICK`. */
  #quick = 0;
  /** Resolved when another publish may go out. */
  #turn: Promise<void> = Promise.resolve();
  /** Called when one might. */
  #room: () => void = () => undefined;
  /** Packet ids of publishes that reached nobody. */
  readonly #unheard = new Set<number>();
  #ended = false;

  /** @param timedOut called when a publish has passed its deadline: the connection must end */
  constructor(client: MqttClient, timedOut: () => void) {
    this.#client = client;
    this.#timedOut = timedOut;
    // mqtt.js gives the reason code of a PUBACK to nobody when it is not an error.
    client.on('packetreceive', (packet) => {
      if (packet.cmd === 'puback' && packet.reasonCode === NO_SUBSCRIBERS) this.#unheard.add(packet.messageId ?? 0);
    });
  }

  /** Whether nothing is on its way. */
  get isEmpty(): boolean {
    return this.#pending.size === 0;
  }

  /** See `Connection.publish`. */
  add(topic: string, payload: Buffer | string, options: PublishOptions): Promise<Published> {
    const published = this.#turn.then(() => this.#send(topic, payload, options));
    this.#turn = this.#turn.then(() => this.#untilRoom());
    return published;
  }

  /** The socket takes more. */
  drained(): void {
    this.#room();
  }

  /**
   * Settles what these bytes acknowledge by a reason code that MQTT 5 does not have there, so that mqtt.js cannot read it:
   * mosquitto (2.0.11) answers a publish beyond its message_size_limit by a PUBACK with 149.
   */
  readStrangePubacks(bytes: Buffer): void {
    for (const { id, settle } of this.#pending) {
      const code = id === undefined ? undefined : pubackCode(bytes, id);
      if (code !== undefined) settle(publishError(code));
    }
  }

  /**
   * The connection has ended.
   *
   * @param isTooLarge whether the broker has closed it because of the size of a message: that was the largest one
   */
  end(isTooLarge: boolean, cause: HomieError | undefined): void {
    this.#ended = true;
    const tooLarge = isTooLarge ? Math.max(...[...this.#pending].map(({ size }) => size)) : undefined;
    for (const { size, settle } of this.#pending) {
      settle(new HomieError(size === tooLarge ? 'PACKET_TOO_LARGE' : 'CONNECTION_LOST', undefined, { cause }));
    }
    this.#room();
  }

  async #untilRoom(): Promise<void> {
    while (!this.#ended && this.#isFull) await new Promise<void>((resolve) => (this.#room = resolve));
  }

  get #isFull(): boolean {
    const [first] = this.#pending;
    if (first === undefined) return false;
    return this.#pending.size >= UNDER_WAY || first.size > this.#quick || this.#client.stream.writableNeedDrain;
  }

  #send(
    topic: string,
    payload: Buffer | string,
    { qos, retain = false, timeout, still = () => true }: PublishOptions,
  ): Promise<Published> {
    return new Promise((resolve, reject) => {
      if (this.#ended || this.#client.disconnecting) throw new HomieError('NOT_CONNECTED');
      if (!still()) throw new HomieError('NOT_CONNECTED.tooLate');
      let timer: NodeJS.Timeout | undefined;
      let startedAt = 0;
      const timeUp = (): void => {
        pending.settle(new HomieError('PUBLISH_TIMEOUT'));
        this.#timedOut();
      };
      const pending: Pending = {
        size: payload.length,
        start: () => {
          if (timer !== undefined) return;
          startedAt = performance.now();
          timer = setTimeout(timeUp, Math.min(timeout, MAX_TIMER));
        },
        settle: (outcome) => {
          if (!this.#pending.delete(pending)) return;
          clearTimeout(timer);
          if (timer !== undefined && performance.now() - startedAt > QUICK) this.#quick = 0;
          else if (qos === 1) this.#quick = Math.max(this.#quick, payload.length);
          const [next] = this.#pending;
          next?.start();
          this.#room();
          if (outcome instanceof HomieError) reject(outcome);
          else resolve(outcome);
        },
      };
      this.#pending.add(pending);
      if (this.#pending.size === 1) pending.start();
      this.#client.publish(topic, payload, { qos, retain }, (error) => {
        if (error) pending.settle(publishError('code' in error ? error.code : undefined));
        else pending.settle({ noSubscribers: pending.id !== undefined && this.#unheard.delete(pending.id) });
      });
      if (qos === 1) pending.id = this.#client.getLastMessageId();
    });
  }
}
