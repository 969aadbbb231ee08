import type { MqttClient } from 'mqtt';
import { MAX_TIMER } from '../deadline';
import { HomieError } from '../errors';
import { pubackCode, publishError } from './publish-packet';

export interface PublishOptions {
  readonly qos: 0 | 1;
  readonly retain?: boolean;
  /** In ms. */
  readonly timeout: number;
  /** Whether to send it before all messages that wait and are not urgent. */
  readonly urgent?: boolean;
  /** Called when its turn comes: whether the message should still be sent. */
  readonly still?: () => boolean;
}

export interface Published {
  /** Reason code 16 (MQTT 5): the broker knows of no subscriber to the topic. */
  readonly noSubscribers: boolean;
}

/** A publish whose outcome is still open. */
interface Pending {
  /** Packet id, with QoS 1. */
  id?: number;
  /** In bytes. */
  readonly size: number;
  /** Starts its deadline. */
  readonly start: () => void;
  readonly settle: (outcome: Published | HomieError) => void;
}

/**
 * On a fast link, the next publish may go out before the broker acknowledges the current one. A link counts as fast for
 * a size that was acknowledged within `QUICK` ms. More than two at a time gain nothing (`npm run bench -- --only 3`),
 * and leave more open when the connection is lost.
 */
const QUICK = 100;
const UNDER_WAY = 2;

/** Reason code of a PUBACK (MQTT 5, section 3.4.2.1). */
const NO_SUBSCRIBERS = 16;

/**
 * Everything that is published over one network connection. Messages go out one at a time, or two at a time on a fast
 * link, in their order but urgent ones first, and the deadline of each starts when the one before is acknowledged. So
 * the deadline of a small message does not expire behind a large one, and messages that have not gone out when the
 * connection ends are known not to have been sent.
 */
export class PublishQueue {
  readonly #client: MqttClient;
  readonly #timedOut: () => void;
  /** In the order in which they went out. */
  readonly #pending = new Set<Pending>();
  /** Size in bytes that the link has delivered to the broker within `QUICK` ms. */
  #quick = 0;
  /** Each sends a message that has not gone out. */
  readonly #urgent: (() => void)[] = [];
  readonly #others: (() => void)[] = [];
  /** Packet ids of messages without a subscriber. */
  readonly #unheard = new Set<number>();
  #ended = false;

  /** @param timedOut called when a publish has passed its deadline: the connection must end */
  constructor(client: MqttClient, timedOut: () => void) {
    this.#client = client;
    this.#timedOut = timedOut;
    // mqtt.js does not pass on the reason code of a PUBACK unless it is an error.
    client.on('packetreceive', (packet) => {
      if (packet.cmd === 'puback' && packet.reasonCode === NO_SUBSCRIBERS) this.#unheard.add(packet.messageId ?? 0);
    });
  }

  /** Whether no publish is open. */
  get isEmpty(): boolean {
    return this.#pending.size === 0;
  }

  /** Adds a message to the queue. See `Connection.publish`. */
  add(topic: string, payload: Buffer | string, options: PublishOptions): Promise<Published> {
    return new Promise((resolve, reject) => {
      const waiting = options.urgent === true ? this.#urgent : this.#others;
      waiting.push(() => void this.#send(topic, payload, options).then(resolve, reject));
      queueMicrotask(() => this.#sendNext());
    });
  }

  /** Continues when the socket accepts more data. */
  drained(): void {
    this.#sendNext();
  }

  /**
   * Settles publishes that these bytes acknowledge with a reason code that MQTT 5 does not define for a PUBACK, and
   * that mqtt.js therefore cannot read: mosquitto 2.0.11 answers a publish over its message_size_limit with a PUBACK
   * with code 149.
   */
  readStrangePubacks(bytes: Buffer): void {
    for (const { id, settle } of this.#pending) {
      const code = id === undefined ? undefined : pubackCode(bytes, id);
      if (code !== undefined) settle(publishError(code));
    }
  }

  /**
   * Settles all open publishes, because the connection has ended.
   *
   * @param isTooLarge whether the broker closed the connection because of the size of a message; the largest one is
   *   blamed
   */
  end(isTooLarge: boolean, cause: HomieError | undefined): void {
    this.#ended = true;
    const tooLarge = isTooLarge ? Math.max(...[...this.#pending].map(({ size }) => size)) : undefined;
    for (const { size, settle } of this.#pending) {
      settle(new HomieError(size === tooLarge ? 'PACKET_TOO_LARGE' : 'CONNECTION_LOST', undefined, { cause }));
    }
    this.#sendNext();
  }

  #sendNext(): void {
    while (this.#ended || !this.#isFull) {
      const send = this.#urgent.shift() ?? this.#others.shift();
      if (send === undefined) return;
      send();
    }
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
          queueMicrotask(() => this.#sendNext());
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
