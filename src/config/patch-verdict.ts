/** The results of a patch that was sent, judged by what the device has shown since. */
import { HomieError } from '../errors';
import type { Sent, Unsent } from '../homie/gate';
import type { OpenEnd } from '../homie/lock-table';
import { valueLost, type LostValue } from './compare';
import type { Shown } from './patch-step';

/**
 * The verdict on a patch that was sent.
 *
 * - `taken`: the configuration is as expected, and an uptime shows the reboot. `unproven`: the device sleeps, so no
 *   uptime shows the reboot; it boots at each wake, which applies the configuration that it publishes
 * - `failed`: `open` is set if the device may still reboot (see `OpenEnd`); `unproven` if the device has published its
 *   configuration since, but no uptime shows the reboot
 */
export type PatchVerdict =
  | { readonly kind: 'taken'; readonly unproven?: true }
  | {
      readonly kind: 'failed';
      readonly error: HomieError;
      readonly open?: OpenEnd;
      readonly unproven?: true;
      readonly taken?: readonly string[];
      readonly lost?: readonly LostValue[];
    };

/**
 * How a transfer ended: with a verdict, or one of the following.
 *
 * - `not_sent`, `refused`: the patch did not reach the device (see `Unsent`)
 * - `missed`: the device fell asleep without a sign of the patch. Its MQTT session is clean, so no earlier message
 *   reaches it when it wakes, and what it publishes then shows whether it took the patch
 */
export type PatchTransferEnd = PatchVerdict | Unsent | { readonly kind: 'missed' };

/**
 * Judges a device whose reboot is not proven. A device publishes its configuration at every connect, whether the
 * configuration is in use or not.
 */
export function judgeUnproven({ visible, isAsBefore, taken, lost }: Shown, live: boolean): PatchVerdict | undefined {
  if (isAsBefore && visible) return undefined;
  if (lost.length > 0) return { ...failed(valueLost(lost, 'cameBack')), unproven: true, taken, lost };
  if (!live) return failed(new HomieError('UNCONFIRMED.config'), 'flashed');
  return { ...failed(new HomieError('REBOOT_UNPROVEN.noUptime')), unproven: true };
}

/**
 * Judges a sleeping device. It boots at its next wake at the latest, which applies the configuration that it publishes.
 */
export function judgeSleeper({ visible, isAsBefore, taken, lost }: Shown): PatchVerdict | undefined {
  if (isAsBefore || !visible) return undefined;
  if (lost.length === 0) return { kind: 'taken', unproven: true };
  return { ...failed(valueLost(lost, 'cameBack'), 'flashed'), unproven: true, taken, lost };
}

/** Returns why the device did not respond to a patch. */
export function unanswered({ error, noSubscribers }: Sent): HomieError {
  if (error?.code === 'PUBLISH_TIMEOUT') return new HomieError('NOT_RECEIVED.unacknowledged');
  const why = error?.cause;
  if (why instanceof HomieError) {
    return new HomieError('NOT_RECEIVED.whileSending', { why: why.text, hint: why.advice });
  }
  return new HomieError(noSubscribers ? 'NOT_RECEIVED.noSubscriber' : 'NOT_RECEIVED');
}

/**
 * Returns the error for a patch that was sent, but not received.
 *
 * @param why reason for the lost connection, if the broker or the network gave one
 */
export function notReceived(why: unknown): HomieError {
  if (!(why instanceof HomieError)) return new HomieError('NOT_RECEIVED.connectionLost');
  return new HomieError('NOT_RECEIVED.because', { why: why.text, hint: why.advice });
}

/** Returns the end of a transfer that failed. @param open whether the device may still reboot */
export function failed(why: HomieError, open?: OpenEnd): PatchVerdict & { kind: 'failed' } {
  return { kind: 'failed', error: why, ...(open && { open }) };
}
