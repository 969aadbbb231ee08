import type { HomieBroker } from '../homie/broker';
import type { DeviceEvent } from '../homie/device';
import type { Sent } from '../homie/gate';
import { isReady } from '../homie/presence';
import type { DeviceObserver } from '../homie/device-observer';
import type { Phase, Progress } from '../update/update';
import { classify, type Context } from './classify';
import { Deadline } from './deadline';
import type { Encoded } from './encoding';
import type { ImageFacts } from './image';
import { sentStatus, type Sendings } from './keepalive';
import { ProgressMeter } from './progress';
import type { StaleUpdate } from './recovery';
import type { OtaSettings } from './settings';
import { writtenBytes, type OtaStatus } from './status';

/** How often progress is estimated between two reports of the device, in ms. */
const ESTIMATE_EVERY = 500;

/**
 * The slowest pace at which a device is expected to receive and flash an image, in bytes per ms. With AsyncMqttClient
 * 0.9.0, all statuses of an image that arrives within about 4 s of `ready` wait behind unacknowledged messages, and are
 * never sent if the device reboots (recording `amc09_ota_right_after_ready`).
 */
const SLOWEST = 8;

/**
 * The slowest pace of a whole transfer, in bytes per ms. A device that needs longer only pretends to receive, or its
 * connection is too poor for any image.
 */
const SLOWEST_TRANSFER = 1;

/** How long a device that announced its sleep may still start with an image that it received before, in ms. */
const FALLING_ASLEEP = 2000;

/** An image that was sent to a device. */
export interface ReceptionInput {
  readonly broker: HomieBroker;
  readonly device: string;
  readonly firmware: ImageFacts;
  readonly encoded: Encoded;
  readonly settings: OtaSettings;
  /** Every checksum that a device running the image may report. */
  readonly expected: ReadonlySet<string>;
  /** `$fw/checksum` before the publish. */
  readonly before: string | undefined;
  readonly observer: DeviceObserver;
  readonly report: (change: { phase?: Phase; progress?: Progress }) => void;
  /** The device answered the last question only in part before the image was sent. */
  readonly owesAnswer: boolean;
  /** Asks the device whether the update was cut off, as `askStaleUpdate` does. */
  readonly ask: () => Promise<StaleUpdate>;
}

/** What ended the wait for the device's answer to the image. */
export type Answer =
  | { readonly kind: 'flashed' | 'reboot_pending' | 'another_updater' | 'missed' }
  /**
   * `partial`: the device cannot have received the whole image; it had reported this many percent. `tooSlow`: its MQTT
   * client ended the connection this many s into the transfer.
   */
  | {
      readonly kind: 'gone';
      readonly begun: boolean;
      readonly partial: number | undefined;
      readonly tooSlow: number | undefined;
    }
  /**
   * Our connection was lost. `free`: the update was cut off, and nothing is staged; otherwise the device is idle, or
   * has an image to boot.
   */
  | { readonly kind: 'cut_off'; readonly free: boolean }
  /**
   * `worksAgain`: the device sends statistics, so the update that it had started has ended unseen, perhaps
   * successfully. `isEarly`: it connected before the broker had the image, perhaps too late for it. `answer`: its
   * answer to the question, if it was asked.
   */
  | {
      readonly kind: 'silent';
      readonly begun: boolean;
      readonly worksAgain: boolean;
      readonly isEarly: boolean;
      readonly answer?: StaleUpdate;
    }
  | { readonly kind: 'refused' | 'discarded'; readonly status: OtaStatus };

/** Follows 202, 206 and 200. Infers a lost status from what follows it. */
export class Reception {
  readonly #input: ReceptionInput;
  readonly #sent: Sent;
  readonly #sentAt: number;
  readonly #meter: ProgressMeter;
  readonly #totals: ReadonlySet<number>;
  readonly #deadline: Deadline;
  #isAsleep = false;
  #owesAnswer: boolean;
  #isEarly = false;
  /** The device did not answer when it was asked, and has made no progress since. */
  #wasSilent = false;
  #worksAgain = false;
  /** The most bytes that the device has reported; -1 before it has started to receive. */
  #furthest = -1;
  #hasToAsk = false;
  #sendings: Sendings | undefined;

  /** @param sentAt when the broker had the whole image, in ms of `performance.now()` */
  constructor(input: ReceptionInput, sent: Sent, sentAt: number) {
    const { observer, settings, encoded, report } = input;
    const { size } = input.firmware.info;
    this.#input = input;
    this.#sent = sent;
    this.#sentAt = sentAt;
    this.#owesAnswer = input.owesAnswer;
    this.#meter = new ProgressMeter(size, observer.clock());
    // For base64, the device reports the decoded length as if there were no padding until it has seen the padding.
    this.#totals = new Set([size, Math.floor(encoded.payload.length / 4) * 3]);
    this.#deadline = new Deadline(
      observer,
      settings.accepted + (sent.noSubscribers ? 0 : size / SLOWEST),
      settings.accepted + settings.stall + size / SLOWEST_TRANSFER,
    );
    observer.onLost(() => this.#begun && report({ phase: 'silent' }));
  }

  /** Waits for the answer of the device to the image. */
  async answer(): Promise<Answer> {
    const { observer } = this.#input;
    for (;;) {
      const back = this.#isBack ? await this.#askBack() : undefined;
      if (back !== undefined) return back;
      const isOver = this.#deadline.isFinal;
      const pause = this.#begun ? observer.clock() + ESTIMATE_EVERY : undefined;
      const event = isOver ? undefined : await observer.next(this.#deadline.at, pause);
      const isDue = event === undefined && this.#deadline.isReached;
      const answer = isDue ? await this.#askSilent(isOver) : this.#take(event);
      if (answer !== undefined) return answer;
    }
  }

  /** @param event undefined if none came for a while */
  #take(event: DeviceEvent | undefined): Answer | undefined {
    const { observer, settings, report } = this.#input;
    const now = observer.clock();
    if (event === undefined) {
      report({ progress: this.#meter.estimate(now), ...(this.#meter.isOverdue(now) && { phase: 'silent' }) });
      return undefined;
    }
    this.#forgetEarlier(event);
    const sign = classify(event, this.#context);
    switch (sign.kind) {
      case 'nothing':
        return undefined;
      case 'connection':
        this.#hasToAsk = true;
        this.#deadline.extend(settings.accepted);
        return undefined;
      case 'asleep':
        this.#isAsleep = true;
        this.#deadline.shorten(FALLING_ASLEEP);
        return undefined;
      case 'works_again':
        this.#worksAgain = true;
        return undefined;
      case 'not_begun':
        this.#deadline.set(0);
        return undefined;
      case 'accepted':
        this.#heard(event.at);
        this.#accepted();
        return undefined;
      case 'progress':
        this.#heard(event.at, sign.written);
        report({ phase: 'flashing', progress: this.#meter.report(sign.written, observer.clock()) });
        return undefined;
      case 'answer':
        this.#owesAnswer = false;
        return undefined;
      case 'missed':
        return sign;
      case 'gone':
        return this.#gone(sign.tooSlow);
      default:
        this.#heard(event.at);
        return sign;
    }
  }

  /** A connect before the broker had the image was not caused by it. */
  #forgetEarlier({ attribute, value, at }: DeviceEvent): void {
    if (this.#begun || attribute !== 'state' || value !== 'init' || at >= this.#sentAt) return;
    this.#isEarly = true;
    this.#input.observer.received();
  }

  get #begun(): boolean {
    return this.#furthest >= 0;
  }

  get #context(): Context {
    const { broker, device, observer, settings, before, expected } = this.#input;
    return {
      begun: this.#begun,
      owesAnswer: this.#owesAnswer,
      asleep: this.#isAsleep,
      noSubscribers: this.#sent.noSubscribers,
      acknowledged: this.#sent.error === undefined,
      sentAt: this.#sentAt,
      dueAt: this.#sentAt + settings.accepted,
      blinked: observer.blinked,
      advertisement: observer.advertisement,
      device: broker.registry.get(device),
      before,
      expected,
      totals: this.#totals,
      sendings: this.#sendings,
    };
  }

  /**
   * Whether to ask the device after our connection was lost. A restart of the broker ends the transfer, and the device
   * is often back before us. If only our own connection was lost, the device answers after the update.
   */
  get #isBack(): boolean {
    const { broker, device, observer } = this.#input;
    const isToAsk = this.#hasToAsk && this.#begun && observer.advertisement?.readyAt !== undefined;
    return isToAsk && broker.isSettled && isReady(broker, device);
  }

  async #askBack(): Promise<Answer | undefined> {
    const answer = await this.#input.ask();
    if (answer === 'flashed' || answer === 'reboot_pending') return { kind: answer };
    if (answer === 'idle' || answer === 'idle_or_staged') return { kind: 'cut_off', free: answer === 'idle' };
    if (this.#hasLeft) return this.#gone();
    if (answer === 'progress') this.#deadline.set(this.#input.settings.stall);
    // Our connection was lost again.
    this.#hasToAsk = answer === 'gone';
    return undefined;
  }

  async #askSilent(isOver: boolean): Promise<Answer | undefined> {
    const [begun, { broker, device }] = [this.#begun, this.#input];
    // The session of the device is clean: after its sleep, it receives nothing that was sent before.
    if (this.#isAsleep && !begun) return { kind: 'missed' };
    if (this.#input.observer.gone) return this.#gone();
    if (this.#worksAgain || (isOver && begun) || (this.#sent.noSubscribers && !begun)) return this.#silent();
    const answer = await this.#input.ask();
    if (answer === 'flashed' || answer === 'reboot_pending') return { kind: answer };
    if (this.#hasLeft) return this.#gone();
    const written = answer === 'progress' ? writtenBytes(broker.registry.get(device)) : -1;
    if (written <= this.#furthest) return this.#stillSilent(answer);
    // The device has been receiving without a status.
    if (!begun) this.#accepted();
    this.#advance(written);
    return undefined;
  }

  /** Waits once more for a device that has started: if its MQTT client reconnects, its updater can be freed. */
  #stillSilent(answer: StaleUpdate): Answer | undefined {
    if (answer !== 'silence' || !this.#begun || this.#wasSilent) return this.#silent(answer);
    this.#wasSilent = true;
    this.#deadline.set(this.#input.settings.stall);
    return undefined;
  }

  #silent(answer?: StaleUpdate): Answer {
    const [worksAgain, isEarly] = [this.#worksAgain, this.#isEarly];
    return { kind: 'silent', begun: this.#begun, worksAgain, isEarly, ...(answer && { answer }) };
  }

  #accepted(): void {
    this.#meter.begin(this.#input.observer.clock());
    this.#input.report({ phase: 'accepted' });
  }

  /** Records a status that came at `at`. */
  #heard(at: number, written = 0): void {
    this.#advance(written);
    this.#sendings = sentStatus(this.#sendings, at);
  }

  /** Records the bytes that the device has received. Only progress extends the deadline: a repeated report does not. */
  #advance(written: number): void {
    if (!this.#begun) this.#input.observer.received();
    if (written <= this.#furthest) return;
    this.#furthest = written;
    this.#wasSilent = false;
    this.#deadline.set(this.#input.settings.stall);
  }

  /** Whether the device was seen to be lost or to reconnect. */
  get #hasLeft(): boolean {
    const { gone, advertisement } = this.#input.observer;
    return gone || advertisement?.live === true;
  }

  #gone(tooSlow?: number): Answer {
    const isPartial = this.#begun && !this.#input.observer.blinked;
    return { kind: 'gone', begun: this.#begun, partial: isPartial ? this.#meter.partial() : undefined, tooSlow };
  }
}
