/** Why the transfer of a patch failed, as errors. */
import { HomieError } from '../errors';
import { phrase, type Values } from '../texts/text';
import type { LostValue } from './compare';
import { andOthers } from './problem';

/** @param why the connection was lost, where the broker or the network gave a reason */
export function notReceived(why: unknown): HomieError {
  if (!(why instanceof HomieError)) return new HomieError('NOT_RECEIVED.connectionLost');
  return new HomieError('NOT_RECEIVED.because', { why: why.text, hint: why.advice });
}

export function unanswered({ error, noSubscribers }: { error?: HomieError; noSubscribers: boolean }): HomieError {
  if (error?.code === 'PUBLISH_TIMEOUT') return new HomieError('NOT_RECEIVED.unacknowledged');
  const why = error?.cause;
  if (why instanceof HomieError) {
    return new HomieError('NOT_RECEIVED.whileSending', { why: why.text, hint: why.advice });
  }
  return new HomieError(noSubscribers ? 'NOT_RECEIVED.noSubscriber' : 'NOT_RECEIVED');
}

export function valueLost(all: readonly LostValue[], what: 'rebooted' | 'cameBack'): HomieError {
  const shown = all
    .slice(0, 3)
    .map(({ path, expected, got }) => phrase('lostValue', { path, expected: brief(expected), got: brief(got) }));
  return new HomieError(`VALUE_LOST.${what}`, { lost: andOthers(shown, all.length - shown.length) });
}

/** @param value with its secrets masked */
function brief(value: unknown): Values[string] {
  if (value === null) return phrase('missingOrNull');
  const text = JSON.stringify(value);
  return text.length > 40 ? `${text.slice(0, 40)}…` : text;
}
