/** Why the transfer of a patch failed, as errors. */
import { type ErrorCode, HomieError } from '../errors';
import { andMore } from './problem';
import type { LostValue } from './compare';

/** Of a device that may have rebooted unseen. */
export const UNTOLD = 'The device received the patch, but it is unknown whether it has rebooted since.';

export const ASLEEP = 'The device went to sleep without confirming that it received the patch.';

export const transferMessages = {
  REBOOT_UNPROVEN: 'The device came back but did not send $stats/uptime, which would show that it rebooted.',
  UNCONFIRMED:
    'The retained configuration of the device is as expected, but no live message from the device confirms that it rebooted.',
  NOT_RECEIVED:
    'A connection was lost in the meantime, and the device has not rebooted since; the patch most likely did not reach it.',
  RESTARTED: 'The device restarted with its previous configuration and did not confirm that it received the patch.',
  UNSEEN:
    'The device restarted without confirming the patch and shows none of the values that the patch sets, so it is unknown whether it took the patch.',
  NOT_BACK: 'The device disconnected and did not come back in time.',
  ASLEEP,
} as const;

export const transferHints = {
  REBOOT_UNPROVEN:
    'Restart the device, then get its configuration: a device publishes its configuration each time it connects, whether it is in use or not.',
  UNCONFIRMED:
    'Wait until the device sends its statistics, then get its configuration: the connection to the broker was lost in the meantime.',
  NOT_BACK:
    'If wifi or mqtt settings were changed, look for the device on the other network or broker, or for an access point that it opened: the new settings may be wrong. Otherwise, power-cycle it.',
} as const;

export function because(code: ErrorCode, message?: string, hint?: string): HomieError {
  return new HomieError(code, message, hint === undefined ? {} : { hint });
}

/** @param why the connection was lost, where the broker or the network gave a reason */
export function notReceived(why: unknown): HomieError {
  if (!(why instanceof HomieError)) return because('NOT_RECEIVED', transferMessages.NOT_RECEIVED);
  const since = 'The device has not rebooted since; the patch most likely did not reach it.';
  return because('NOT_RECEIVED', `${why.message} ${since}`, why.hint);
}

export function unanswered({
  error: cause,
  noSubscribers,
}: {
  error?: HomieError;
  noSubscribers: boolean;
}): HomieError {
  if (cause?.code === 'PUBLISH_TIMEOUT')
    return because('NOT_RECEIVED', 'The broker did not acknowledge the patch, and the device did not respond.');
  if (cause?.cause instanceof HomieError)
    return because(
      'NOT_RECEIVED',
      `${cause.cause.message} This happened while the patch was being sent.`,
      cause.cause.hint,
    );
  if (noSubscribers)
    return because('NOT_RECEIVED', 'The broker reported no subscriber for the patch topic of the device.');
  return because('NOT_RECEIVED');
}

export function valueLost(lost: readonly LostValue[], what: 'rebooted' | 'came back'): HomieError {
  const shown = lost
    .slice(0, 3)
    .map(({ path, expected, got }) => `${path} is ${brief(got)} instead of ${brief(expected)}`);
  return new HomieError(
    'VALUE_LOST',
    `The device ${what}, but ${shown.join(', ')}${andMore(lost.length - shown.length)}.`,
  );
}

/** @param value with its secrets masked */
function brief(value: unknown): string {
  if (value === null) return 'missing or null';
  const text = JSON.stringify(value);
  return text.length > 40 ? `${text.slice(0, 40)}…` : text;
}
