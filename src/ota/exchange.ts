import { HomieError } from '../errors';
import type { Image } from './image';
import type { HomieBroker } from '../homie/broker';
import { runningFirmware, type Device } from '../homie/device';
import { firmwareTopic } from '../homie/topics';
import type { DeviceWatch } from '../homie/watch';
import { decide } from './decide';
import { asBase64, asBinary, type Encoded } from './encoding';
import { isReady, untilReady } from '../homie/presence';
import { connectionGone, free, letGo, release, restart, type Patient } from './recovery';
import type { OtaSettings } from './settings';
import type { OpenEnd } from '../homie/lock';
import { Sight } from '../homie/sight';
import { parseStatus } from './status';
import { transfer, type TransferEnd } from './transfer';
import type { Change, Outcome } from '../homie/update';
import { upForASecond } from '../homie/uptime';

/** One firmware for one device. */
export interface ExchangeInput {
  readonly broker: HomieBroker;
  readonly device: string;
  readonly firmware: Image;
  readonly settings: OtaSettings;
  /** The user wants to stop. Obeyed at once as long as nothing was sent; after that, nothing is sent again. */
  readonly cancel: AbortSignal;
  /** The device can be watched no longer. */
  readonly abandon: AbortSignal;
  readonly report: (change: Change) => void;
  /** Awaited before each publish: from then on the device is judged by what it does. */
  readonly begin?: (device: Device) => Promise<void>;
  /**
   * What was begun did not come to the device after all.
   *
   * @param missed it was published, and the device had gone to sleep
   */
  readonly unsent?: (missed: boolean) => void;
  /** The device has said that the image is flashed. */
  readonly flashed?: () => void;
}

/**
 * Brings a firmware onto a device, and proves that it runs. The caller holds the lock of the device.
 *
 * Decides by what a device that is ready says of itself; sends the image; follows 202, 206 and 200; waits for the reboot;
 * and judges the checksum and the uptime with which the device comes back. After a failure that is known to have left the
 * old firmware running and no reboot pending, it waits until the device is ready, and tries again.
 *
 * @returns how it ended; undefined when the device is not there, and nothing was sent. It does not reject for anything that
 * a device or a broker does
 */
export async function bringFirmware(input: ExchangeInput): Promise<Outcome | undefined> {
  const { broker, device, firmware } = input;
  const refused = refuse(input);
  if (refused !== undefined) return { state: 'rejected', error: refused };
  let encoded: Encoded;
  const topic = firmwareTopic(broker.baseTopic, device, firmware.info.md5);
  try {
    encoded = encode(input, topic);
  } catch (error) {
    return { state: 'rejected', error: asHomieError(error) };
  }

  const watch = broker.watch(device);
  const exchange = new Exchange(input, watch, topic, encoded);
  try {
    return await exchange.run();
  } catch (error) {
    // An end that nobody saw: the device may still boot the image.
    exchange.keepLocked('unknown');
    if (input.abandon.aborted) return { state: 'failed', error: new HomieError('ABANDONED') };
    return { state: 'failed', error: asHomieError(error) };
  } finally {
    watch.close();
  }
}

class Exchange {
  readonly #input: ExchangeInput;
  readonly #watch: DeviceWatch;
  readonly #topic: string;
  readonly #encoded: Encoded;
  #attempt = 0;
  #restarted = false;
  /** Why the last transfer failed, when another one is to follow. */
  #failure: HomieError | undefined;
  /** When something was published whose end is not known yet, in ms. */
  #openSince: number | undefined;

  constructor(input: ExchangeInput, watch: DeviceWatch, topic: string, encoded: Encoded) {
    this.#input = input;
    this.#watch = watch;
    this.#topic = topic;
    this.#encoded = encoded;
  }

  async run(): Promise<Outcome | undefined> {
    const { broker, device, settings, cancel, abandon, report } = this.#input;
    const stop = AbortSignal.any([cancel, abandon]);
    for (;;) {
      if (this.#failure !== undefined) {
        report({ state: 'waiting' });
        try {
          await untilReady(broker, this.#watch, device, performance.now() + settings.reboot, stop);
        } catch (error) {
          return this.#notReady(error);
        }
      } else if (!isReady(broker, device)) {
        return undefined;
      }
      const outcome = await this.#once();
      if (outcome !== undefined) return outcome;
    }
  }

  /** Where the end of what was published is not known, the device stays locked beyond the job. */
  keepLocked(end: OpenEnd): void {
    const { broker, device } = this.#input;
    if (this.#openSince === undefined) return;
    broker.locks.rebootPending(device, end, this.#openSince, broker.registry.get(device)?.uptime !== undefined);
  }

  /** The device did not come back for another attempt, or the user canceled. */
  #notReady(error: unknown): Outcome {
    const { cancel, abandon } = this.#input;
    if (this.#failure !== undefined) return { state: 'failed', error: this.#failure };
    if (cancel.aborted || abandon.aborted) return { state: 'canceled' };
    throw error;
  }

  /** With a device that is ready: decides, and sends. Undefined when it is to be waited for and tried again. */
  async #once(): Promise<Outcome | undefined> {
    const { broker, device, firmware, settings, cancel, abandon, report } = this.#input;
    const known = broker.registry.get(device);
    if (known === undefined) return undefined;
    const from = runningFirmware(known);
    report({ from });

    const { md5 } = firmware.info;
    const decision = await decide(known, firmware, settings);
    if (decision.kind === 'skip') {
      // It booted what an earlier attempt of this job had brought.
      if (this.#failure !== undefined && decision.reason === 'up_to_date')
        return { state: 'succeeded', reboot: 'unproven' };
      return { state: 'skipped', reason: decision.reason, ...(decision.hint && { hint: decision.hint }) };
    }
    if (decision.kind === 'reject') return { state: 'rejected', error: decision.error };
    const obstacle = this.#tooLarge() ?? anotherUpdate(known, settings);
    if (obstacle !== undefined) return { state: 'rejected', error: obstacle };

    const look = (): Patient => {
      const upBefore = upForASecond(known, performance.now());
      return { broker, device, settings, sight: new Sight({ broker, watch: this.#watch, signal: abandon, upBefore }) };
    };
    if (leftInTheMiddle(known)) {
      const answer = await letGo(look()).catch(connectionGone);
      // Much may have changed meanwhile: it is decided anew.
      if (answer === undefined || answer === 'freed' || answer === 'gone') return undefined;
      return { state: 'rejected', error: inTheMiddle(answer) };
    }
    const expected = new Set([md5, ...(await firmware.alternativeChecksums())]);
    if (!isReady(broker, device)) return undefined;
    const stop = AbortSignal.any([cancel, abandon]);
    if (stop.aborted) return this.#notReady(stop.reason);
    await this.#input.begin?.(known);
    if (!isReady(broker, device) || stop.aborted) {
      this.#input.unsent?.(false);
      return stop.aborted ? this.#notReady(stop.reason) : undefined;
    }
    report({ state: 'running', attempt: ++this.#attempt });
    const patient = look();
    this.#openSince = patient.sight.since;
    const end = await transfer({
      broker,
      device,
      firmware,
      settings,
      sight: patient.sight,
      encoded: this.#encoded,
      // The device compares with its own MD5 as text; the final check does not mind the case.
      topic: decision.reinstall ? this.#topic.replace(md5, md5.toUpperCase()) : this.#topic,
      expected,
      before: from.checksum,
      reinstall: decision.reinstall,
      abandon,
      report,
      flashed: this.#input.flashed,
    });
    return this.#after(end, patient);
  }

  async #after(end: TransferEnd, patient: Patient): Promise<Outcome | undefined> {
    const { broker, device, settings } = this.#input;
    this.#openSince = patient.sight.since;
    if (settings.encoding === 'base64' && deviceFailed(end)) rememberBase64Failure(broker, device);
    switch (end.kind) {
      case 'ended':
        if (end.open !== undefined) this.keepLocked(end.open);
        return end.outcome;
      case 'not_sent':
      case 'missed':
        this.#openSince = undefined;
        this.#input.unsent?.(end.kind === 'missed');
        this.#input.report({ state: 'waiting', attempt: --this.#attempt });
        return undefined;
      case 'interrupted':
        return this.#interrupted(end, !end.halfDead || (await free(patient).catch(connectionGone)) === true);
      case 'unseen':
        await release(patient).catch(connectionGone);
        this.keepLocked(patient.sight.blinked ? 'unknown' : end.open);
        return { state: 'failed', error: end.error };
      case 'stuck': {
        this.#openSince = undefined;
        const last = this.#again(end.error, settings.recoverReboot && !this.#restarted);
        if (last !== undefined) return last;
        this.#restarted = true;
        this.#openSince = performance.now();
        if (await restart(patient)) {
          this.#openSince = undefined;
          // Base64 is never sent again to a device where it has failed.
          return settings.encoding === 'base64' ? { state: 'failed', error: end.error } : undefined;
        }
        this.keepLocked('flashed');
        return { state: 'failed', error: end.error };
      }
    }
  }

  /** @param idle whether the device is known to be, and to have nothing to boot */
  #interrupted({ error, again }: Extract<TransferEnd, { kind: 'interrupted' }>, idle: boolean): Outcome | undefined {
    if (idle) {
      this.#openSince = undefined;
      return this.#again(error, again);
    }
    // Where a device sends no statistics, one with an image to boot looks like one that is half dead.
    this.keepLocked('unknown');
    return { state: 'failed', error };
  }

  /** The outcome when that was the last attempt; undefined when there is another. */
  #again(error: HomieError, possible: boolean): Outcome | undefined {
    this.#failure = error;
    const { settings, cancel } = this.#input;
    return possible && this.#attempt < settings.attempts && !cancel.aborted ? undefined : { state: 'failed', error };
  }

  #tooLarge(): HomieError | undefined {
    const { status } = this.#input.broker;
    const limit = status.state === 'connected' ? status.maximumPacketSize : undefined;
    // A PUBLISH has at most 5 bytes of fixed header, 4 of length and identifier, and its properties.
    const size = this.#encoded.payload.length + Buffer.byteLength(this.#topic) + 10;
    if (limit === undefined || size <= limit) return undefined;
    return new HomieError(
      'PACKET_TOO_LARGE',
      `The broker takes messages of at most ${limit} bytes; this one would have ${size}.`,
    );
  }
}

/** What speaks against bringing a firmware onto a device before anything is known of the device. */
export function refuse({
  broker,
  device,
  firmware,
  settings,
}: Pick<ExchangeInput, 'broker' | 'device' | 'firmware' | 'settings'>): HomieError | undefined {
  try {
    firmwareTopic(broker.baseTopic, device, firmware.info.md5);
  } catch (error) {
    return asHomieError(error);
  }
  if (!settings.allowIncompatible && !firmware.info.homie) return new HomieError('NOT_HOMIE');
  if (settings.encoding === 'base64' && base64Failures.has(`${broker.locks.scope}${device}`)) {
    return new HomieError('BASE64_FAILED_BEFORE');
  }
  return undefined;
}

function encode({ firmware, settings }: ExchangeInput, topic: string): Encoded {
  return settings.encoding === 'binary' ? asBinary(firmware.image) : asBase64(firmware.image, topic);
}

/** Devices on which base64 has failed, in this process. */
const base64Failures = new Set<string>();

function rememberBase64Failure(broker: HomieBroker, device: string): void {
  base64Failures.add(`${broker.locks.scope}${device}`);
}

/** Whether the device was given the image and did not take it. */
function deviceFailed(end: TransferEnd): boolean {
  if (end.kind === 'interrupted') return end.error.code === 'STALLED';
  if (end.kind === 'unseen') return end.error.code === 'NOT_ACCEPTED';
  if (end.kind !== 'ended' || end.outcome.state !== 'failed') return end.kind === 'stuck';
  const { code, status } = end.outcome.error;
  return status !== undefined || code === 'NOT_ACCEPTED' || code === 'STALLED';
}

/** An update by somebody else, seen as it happens: under way, or flashed and waiting for the reboot. */
function anotherUpdate({ otaStatus, state, uptime }: Device, settings: OtaSettings): HomieError | undefined {
  if (otaStatus?.live !== true) return undefined;
  const kind = parseStatus(otaStatus.value)?.kind;
  const connectedSince = state !== undefined && state.at > otaStatus.at;
  if (kind === 'flashed') {
    const goesOn = uptime !== undefined && uptime.value * 1000 >= uptime.at - otaStatus.at;
    return connectedSince && !goesOn ? undefined : new HomieError('REBOOT_PENDING');
  }
  const recent = !connectedSince && performance.now() - otaStatus.at < settings.stall;
  return recent && (kind === 'accepted' || kind === 'progress') ? new HomieError('ANOTHER_UPDATER') : undefined;
}

/** Why a device is not touched that may be in the middle of an update. */
function inTheMiddle(answer: 'progress' | 'flashed' | 'busy' | 'silence'): HomieError {
  if (answer === 'flashed') return new HomieError('REBOOT_PENDING');
  if (answer !== 'silence') return new HomieError('ANOTHER_UPDATER');
  return new HomieError(
    'NOT_ACCEPTED',
    'The device did not answer whether an update is under way; no firmware was sent.',
  );
}

/**
 * Whether the last that is known of an update is its middle: it may go on, or may have left the device half dead. Only
 * statistics tell that it is idle.
 */
function leftInTheMiddle({ otaStatus, uptime, state }: Device): boolean {
  const kind = otaStatus === undefined ? undefined : parseStatus(otaStatus.value)?.kind;
  if (kind !== 'accepted' && kind !== 'progress') return false;
  const idle = uptime?.live === true && uptime.at >= Math.max(state?.at ?? 0, otaStatus?.at ?? 0);
  return !idle;
}

function asHomieError(error: unknown): HomieError {
  return error instanceof HomieError ? error : new HomieError('UNEXPECTED', undefined, { cause: error });
}
