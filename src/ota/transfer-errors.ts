/** The errors that say why the transfer of an image failed. */
import { HomieError } from '../errors';
import type { Sent } from '../homie/gate';
import type { OtaStatus } from './status';
import type { TransferInput } from './transfer';

/** @param lost its cause is the reason that the broker gave, if any */
function closedAtPublish(lost: HomieError): HomieError {
  const { cause } = lost;
  if (!(cause instanceof HomieError)) return new HomieError('CLOSED_AT_PUBLISH', {}, { cause: lost });
  return new HomieError('CLOSED_AT_PUBLISH.because', { problem: cause.text, advice: cause.advice }, { cause: lost });
}

/** Returns the most likely error for a device that gave no sign at all. */
export function unanswered({ broker }: TransferInput, sent: Sent): HomieError {
  if (sent.error?.code === 'PUBLISH_TIMEOUT') return sent.error;
  if (sent.error !== undefined) return closedAtPublish(sent.error);
  if (sent.noSubscribers) return new HomieError('NOT_ACCEPTED.noSubscriber');
  const silent = broker.status.state === 'connected' && broker.status.protocolVersion === 4;
  return new HomieError(silent ? 'NOT_ACCEPTED.silentBroker' : 'NOT_ACCEPTED.undelivered');
}

/**
 * Returns the error for a transfer that ended because the device or the broker lost its connection.
 *
 * @param tooSlow s from the start of the transfer until the MQTT client of the device ended the connection
 */
export function lostInTransfer({ observer }: TransferInput, tooSlow?: number): HomieError {
  if (tooSlow !== undefined) return new HomieError('LOST_IN_TRANSFER.tooSlow', { seconds: tooSlow });
  return new HomieError(observer.blinked ? 'LOST_IN_TRANSFER.connectionLost' : 'LOST_IN_TRANSFER');
}

/** Returns the error for an update that the device itself has discarded. */
export function discarded(input: TransferInput, { text, ...status }: OtaStatus): HomieError {
  const isTimeout = status.kind === 'refused' && status.code === 'DEVICE_TIMEOUT';
  return isTimeout ? new HomieError('DEVICE_TIMEOUT', {}, { status: text }) : lostInTransfer(input);
}

export function stalled({ observer }: TransferInput): HomieError {
  return new HomieError(observer.blinked ? 'STALLED.connectionLost' : 'STALLED');
}
