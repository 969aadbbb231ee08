/** One patch on its way to one device. */
import { HomieError, type ErrorCode } from '../errors';
import { isOtherDevice } from '../homie/elapsed';
import type { OpenEnd } from '../homie/lock';
import { publishToDevice, sightingOf, type Obstacle, type Sender } from '../homie/gate';
import { lifeSign, nextReturn, untilAnotherSign, type LifeSign } from '../homie/return';
import { isAway, Sight, type Advertisement } from '../homie/sight';
import type { Phase } from '../homie/update';
import { reachedUptime, type Uptime } from '../homie/uptime';
import { changes, compareConfig, shownChanges, type LostValue } from './compare';
import { readFile } from './file';
import type { Place } from './place';
import type { ConfigSettings } from './settings';
import type { Step } from './step';

export interface SendInput {
  readonly from: Place;
  /** Where the device is when it has taken the patch: the same place, unless it moves. */
  readonly to: Place;
  readonly step: Step;
  /** Of the step, settings whose types and validators only the sketch knows. */
  readonly sketch: readonly string[];
  readonly settings: ConfigSettings;
  /** The job that holds the lock of the device, and what speaks against sending. */
  readonly sender: Pick<Sender, 'job' | 'cancel' | 'abandon' | 'mayBegin' | 'handedOver'>;
  readonly report: (phase: Phase) => void;
}

/**
 * How it ended.
 *
 * - `taken`: a reboot shown by uptime, and the configuration that holds what was expected
 * - `not_sent`: something spoke against it as the patch was about to be handed to the socket
 * - `failed`: `open` when the device may still reboot, as `OpenEnd` says; `unproven` when the configuration is as expected,
 *   but no uptime shows the reboot
 */
export type SendEnd =
  | { readonly kind: 'taken' }
  | { readonly kind: 'not_sent'; readonly why: Obstacle }
  | {
      readonly kind: 'failed';
      readonly error: HomieError;
      readonly open?: OpenEnd;
      readonly unproven?: true;
      readonly taken?: readonly string[];
      readonly lost?: readonly LostValue[];
    };

/** Sends a patch once, and watches the device until it is known what became of it. */
export class Sending {
  readonly #input: SendInput;
  readonly #here: Sight;
  readonly #there: Sight;
  /** The device has said that it has received the patch: a sign of life. */
  #received: LifeSign | undefined;
  /** `$mac`, where it is known. */
  readonly #mac: string | undefined;
  /** It came back, and whether by a reboot cannot be told. */
  #ambiguous = false;

  constructor(input: SendInput) {
    const { from, to } = input;
    const { abandon } = input.sender;
    this.#input = input;
    const known = from.broker.registry.get(from.device);
    this.#mac = known?.mac?.value;
    this.#here = sightOf(from, abandon, known && reachedUptime(known, performance.now()));
    this.#there = to === from ? this.#here : sightOf(to, abandon);
  }

  /** From when on a reboot may be for the patch, in ms of `performance.now()`. */
  get since(): number {
    return this.#here.since;
  }

  async run(): Promise<SendEnd> {
    const { settings, report } = this.#input;
    const sent = await this.#send();
    if ('kind' in sent) return sent;

    const answered = (await this.#untilReceived(performance.now())) || (await this.#isThere());
    const unheard = sent.error === undefined && !this.#here.blinked;
    if (!answered) return failed(unanswered(sent), unheard ? 'unheard' : 'unknown');
    report('rebooting');
    const until = this.#there.clock() + settings.reboot;
    const verifying = (): void => report('verifying');
    const back = await this.#untilBack(until, verifying);
    if (back !== undefined || this.#received === undefined) return back ?? this.#notBack();
    // A device that died in the reboot is not one with a busy sketch.
    const { broker, device } = this.#input.from;
    await untilAnotherSign(this.#received, this.#here, { registry: broker.registry, id: device });
    return (await this.#untilBack(this.#there.clock(), verifying)) ?? this.#notBack();
  }

  /**
   * Watches on, without a deadline, after the device had not come back in time.
   *
   * @returns undefined when another patch was sent to the device meanwhile: its reboot may be for that one
   */
  async late(): Promise<SendEnd | undefined> {
    const sent = this.#here.patches;
    const end = await this.#untilBack(Infinity, () => undefined);
    if (this.#there !== this.#here) await drain(this.#here);
    return this.#here.patches === sent ? end : undefined;
  }

  /** @returns why it was not acknowledged, if so; whether the broker has it is not known then */
  async #send(): Promise<SendEnd | { error?: HomieError; noSubscribers: boolean }> {
    const { from, step, settings, sender, report } = this.#input;
    const { broker, device } = from;
    try {
      const sent = await publishToDevice(
        {
          ...sender,
          broker,
          device,
          stages: 'patch',
          seen: sightingOf(broker, device),
          handedOver: () => {
            report('sending');
            sender.handedOver?.();
          },
        },
        { topic: `${from.root}/$implementation/config/set`, payload: step.text(), qos: 1, timeout: settings.sending },
      );
      return 'notSent' in sent ? { kind: 'not_sent', why: sent.notSent } : sent;
    } catch (error) {
      if (!(error instanceof HomieError)) throw error;
      if (error.code === 'CONNECTION_LOST' || error.code === 'PUBLISH_TIMEOUT') return { error, noSubscribers: false };
      return { kind: 'failed', error };
    }
  }

  /**
   * The empty message may get lost in the reboot that follows it: then the reboot stands for it.
   *
   * @param sentAt when the broker had the patch, in ms of `performance.now()`: whatever a device does before that, it is
   * still going to be given the patch
   * @returns whether there was any sign of the device
   */
  async #untilReceived(sentAt: number): Promise<boolean> {
    const { settings, report } = this.#input;
    const sight = this.#here;
    let until = sight.clock() + settings.received;
    for (;;) {
      const event = await sight.next(until);
      if (event === undefined) return sight.gone;
      if (event.attribute === 'connection') until = Math.max(until, sight.clock() + settings.received);
      // Whatever came while there was no connection of our own is over.
      if (sight.advertisement?.live === false && sight.advertisement.readyAt !== undefined) return true;
      if (event.attribute === 'state' && ((event.live && event.value === 'init') || isAway(event.value))) {
        if (event.at >= sentAt) return true;
      }
      if (event.attribute === 'configSet' && event.live && event.value === '') {
        this.#received = lifeSign(sight);
        sight.received();
        report('received');
        return true;
      }
    }
  }

  /** Whether the device has moved without a sign of it in the old place. */
  async #isThere(): Promise<boolean> {
    await drain(this.#there);
    return this.#there.advertisement?.live === true;
  }

  /** @returns undefined when the device did not reboot by `until`, on the clock of the sight */
  async #untilBack(until: number, verifying: () => void): Promise<SendEnd | undefined> {
    const { settings } = this.#input;
    for (;;) {
      const back = await nextReturn(this.#there, { until, ready: settings.ready, statistics: true, verifying });
      if (back === 'never') return undefined;
      if (back === 'not_ready')
        return failed(because('NOT_READY', 'The device came back, but was not ready in time.'), 'unknown');
      const { broker, device } = this.#input.to;
      if (isOtherDevice(this.#mac, broker.registry.get(device))) return failed(because('OTHER_DEVICE'), 'unknown');
      const end = this.#judge(back);
      if (end !== undefined) return end;
      // A mere reconnect: the reboot is still to come.
      this.#there.expectAnother();
    }
  }

  /** What a connect after the publish means; undefined when it shows nothing. */
  #judge({ config, uptime, live }: Advertisement): SendEnd | undefined {
    const { step, settings } = this.#input;
    const reboot = this.#here.reboot(uptime);
    this.#ambiguous = reboot === 'open';
    if (reboot === 'refuted' || reboot === 'open') return undefined;
    if (config === undefined) {
      return reboot === 'shown'
        ? failed(because('CONFIG_UNKNOWN', 'The device came back, but did not publish its configuration.'))
        : undefined;
    }
    const file = readFile(config);
    if (file === undefined) return failed(new HomieError('CONFIG_UNREADABLE'));
    const visible = isVisible(step);
    const isAsBefore = step.ways().some((way) => changes(way.before(), file.content).length === 0);
    const { taken, lost } = compareStep(step, config, settings.secretNames);
    if (reboot === 'shown') {
      if (this.#received === undefined && isAsBefore)
        return failed(because('NOT_RECEIVED', visible ? messages.RESTARTED : messages.UNSEEN));
      return lost.length === 0 ? { kind: 'taken' } : { ...failed(valueLost(lost)), taken, lost };
    }
    // It is published anew at every connect, so that a configuration alone proves no reboot.
    if (isAsBefore && visible) return undefined;
    if (lost.length > 0) return { ...failed(valueLost(lost)), unproven: true, taken, lost };
    if (!live) return failed(because('UNCONFIRMED', messages.UNCONFIRMED, hints.UNCONFIRMED), 'flashed');
    return { ...failed(because('REBOOT_UNPROVEN', messages.REBOOT_UNPROVEN, hints.REBOOT_UNPROVEN)), unproven: true };
  }

  async #notBack(): Promise<SendEnd> {
    const { from, to } = this.#input;
    if (to !== from) {
      // Nobody has looked at the old place meanwhile.
      await drain(this.#here);
      const { advertisement } = this.#here;
      const refused = advertisement?.uptime && this.#judge(advertisement);
      if (refused) return refused;
    }
    if (!isAt(from)) return failed(because('NOT_BACK', messages.NOT_BACK, hints.NOT_BACK), 'unknown');
    if (this.#received === undefined) return failed(because('NOT_RECEIVED', messages.NOT_RECEIVED), 'unheard');
    // After a time without a connection of our own it was not seen to be there.
    const isUnseen = this.#ambiguous || this.#here.advertisement !== undefined;
    if (isUnseen) return failed(because('REBOOT_UNPROVEN', UNTOLD), 'flashed');
    return failed(because('NOT_APPLIED', undefined, this.#whyNotApplied()), 'flashed');
  }

  #whyNotApplied(): string {
    const { sketch } = this.#input;
    const settings =
      sketch.length === 0
        ? ''
        : ` No rule here knows the types and validators that the sketch has for ${sketch.join(', ')}: check these first.`;
    return (
      'The device refused the patch, or has written it and reboots when the sketch is idle; the serial log tells.' +
      `${settings} It stays locked until it reboots, and is watched.`
    );
  }
}

/** Of a device that may have rebooted unseen. */
export const UNTOLD = 'The device received the patch; whether it rebooted since cannot be told.';

const messages = {
  REBOOT_UNPROVEN: 'The device came back, but sent no $stats/uptime that would show that it rebooted.',
  UNCONFIRMED:
    'The retained configuration of the device is as expected, but no live sign of the device confirms that it rebooted.',
  NOT_RECEIVED:
    'A connection was lost meanwhile, and the device has not rebooted since: the patch most likely did not reach it.',
  RESTARTED: 'The device restarted, but gave no sign that it received the patch, and has the configuration of before.',
  UNSEEN:
    'The device restarted, but gave no sign that it received the patch. It shows nothing of what the patch sets, so whether it took it is not known.',
  NOT_BACK: 'The device went away and did not come back in time.',
} as const;

const hints = {
  REBOOT_UNPROVEN:
    'A configuration is published at every connect, whether it is in use or not. Restart the device, and get its configuration.',
  UNCONFIRMED:
    'The connection to the broker was lost meanwhile. Wait until the device sends its statistics, and get its configuration.',
  NOT_BACK:
    'If wifi or mqtt were changed, they may not fit: look for the device on the other network or broker, or for an access point that it opened. Else power-cycle it.',
} as const;

function because(code: ErrorCode, message?: string, hint?: string): HomieError {
  return new HomieError(code, message, hint === undefined ? {} : { hint });
}

function failed(why: HomieError, open?: OpenEnd): SendEnd & { kind: 'failed' } {
  return { kind: 'failed', error: why, ...(open && { open }) };
}

function unanswered({ error: cause, noSubscribers }: { error?: HomieError; noSubscribers: boolean }): HomieError {
  if (cause?.code === 'PUBLISH_TIMEOUT')
    return because('NOT_RECEIVED', 'The broker did not acknowledge the patch, and the device gave no sign of it.');
  if (cause?.cause instanceof HomieError)
    return because('NOT_RECEIVED', `${cause.cause.message} The patch was being sent.`, cause.cause.hint);
  if (noSubscribers)
    return because('NOT_RECEIVED', 'The broker knew of nobody who listens to the topic for patches of the device.');
  return because('NOT_RECEIVED');
}

function valueLost(lost: readonly LostValue[]): HomieError {
  const shown = lost
    .slice(0, 3)
    .map(({ path, expected, got }) => `${path} is ${brief(got)} instead of ${brief(expected)}`);
  const more = lost.length > shown.length ? ` (and ${lost.length - shown.length} more)` : '';
  return new HomieError('VALUE_LOST', `The device rebooted, but ${shown.join(', ')}${more}.`);
}

/** @param value with its secrets masked */
function brief(value: unknown): string {
  if (value === null) return 'missing or null';
  const text = JSON.stringify(value);
  return text.length > 40 ? `${text.slice(0, 40)}…` : text;
}

function sightOf({ broker, watch }: Place, signal: AbortSignal, before?: Uptime): Sight {
  return new Sight({ broker, watch, signal, ...(before && { before }) });
}

/** Whether the device is in this place, as far as is known. */
function isAt({ broker, device }: Place): boolean {
  const state = broker.registry.get(device)?.state?.value;
  return state !== undefined && !isAway(state);
}

/** Takes in all that has come. */
async function drain(sight: Sight): Promise<void> {
  while ((await sight.next(0)) !== undefined);
}

/** The paths that a step is proven to have changed when it was taken. */
export function provenPaths(step: Step): string[] {
  return step.paths.filter((path) => !step.unverified.includes(path));
}

/** Whether the device shows anything of what the step changes. */
export function isVisible(step: Step): boolean {
  return step.ways().every((way) => shownChanges(way.before(), way.expected()).length > 0);
}

/** What came of a step: of the ways in which it may have gone, that in which nothing was lost, else the first. */
function compareStep(step: Step, config: string, secretNames: readonly string[]): ReturnType<typeof compareConfig> {
  const compare = (way: Step) => compareConfig(way.before(), way.expected(), config, secretNames);
  return (
    step
      .ways()
      .map(compare)
      .find(({ lost }) => lost.length === 0) ?? compare(step)
  );
}
