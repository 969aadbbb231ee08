/** Why the transfer of an image failed, as errors. */
import { HomieError } from '../errors';
import type { Sent } from './reception';
import type { TransferInput } from './transfer';

/** @param lost has the reason as its cause where the broker gave one */
function closedAtPublish(lost: HomieError): HomieError {
  const { cause } = lost;
  if (!(cause instanceof HomieError)) return new HomieError('CLOSED_AT_PUBLISH', {}, { cause: lost });
  return new HomieError('CLOSED_AT_PUBLISH.because', { problem: cause.text, advice: cause.advice }, { cause: lost });
}

/** No sign came at all: says what is probable. */
export function unanswered({ broker }: TransferInput, sent: Sent): HomieError {
  if (sent.error?.code === 'PUBLISH_TIMEOUT') return sent.error;
  if (sent.error !== undefined) return closedAtPublish(sent.error);
  if (sent.noSubscribers) return new HomieError('NOT_ACCEPTED.noSubscriber');
  const silent = broker.status.state === 'connected' && broker.status.protocolVersion === 4;
  return new HomieError(silent ? 'NOT_ACCEPTED.silentBroker' : 'NOT_ACCEPTED.undelivered');
}

/**
 * The device lost its connection, or the broker did, which ends the transfer as well.
 *
 * @param tooSlow the MQTT client of the device ended the connection so many s into the transfer
 */
export function lostInTransfer({ observer }: TransferInput, tooSlow?: number): HomieError {
  if (tooSlow !== undefined) return new HomieError('LOST_IN_TRANSFER.tooSlow', { seconds: tooSlow });
  return new HomieError(observer.blinked ? 'LOST_IN_TRANSFER.connectionLost' : 'LOST_IN_TRANSFER');
}

export function stalled({ observer }: TransferInput): HomieError {
  return new HomieError(observer.blinked ? 'STALLED.connectionLost' : 'STALLED');
}
