/** Why the transfer of an image failed, as errors. */
import { HomieError } from '../errors';
import type { Sent } from './reception';
import type { TransferInput } from './transfer';

/** @param lost has the reason as its cause where the broker gave one */
function closedAtPublish(lost: HomieError): HomieError {
  const { cause } = lost;
  if (!(cause instanceof HomieError)) return new HomieError('CLOSED_AT_PUBLISH', undefined, { cause: lost });
  return new HomieError(
    'CLOSED_AT_PUBLISH',
    `${cause.message} This happened while the firmware was being sent, and the device did not respond.`,
    { hint: cause.hint, cause: lost },
  );
}

/** No sign came at all: says what is probable. */
export function unanswered({ broker }: TransferInput, sent: Sent): HomieError {
  if (sent.error?.code === 'PUBLISH_TIMEOUT') return sent.error;
  if (sent.error !== undefined) return closedAtPublish(sent.error);
  if (sent.noSubscribers) {
    return new HomieError('NOT_ACCEPTED', 'The broker reported no subscriber for the firmware topic of the device.', {
      hint: 'Check that the device is still connected, and that it may subscribe to the topic (ACL).',
    });
  }
  const silent = broker.status.state === 'connected' && broker.status.protocolVersion === 4;
  return new HomieError('NOT_ACCEPTED', undefined, {
    hint: silent
      ? 'Check the log of the broker: with MQTT 3.1.1, a broker silently drops messages that an ACL or a size limit (mosquitto: message_size_limit) forbids. Otherwise, check that the device is still connected.'
      : 'Check that the device is still connected. Otherwise, check the log of the broker, which may not have delivered the message.',
  });
}

/**
 * The device lost its connection, or the broker did, which ends the transfer as well.
 *
 * @param tooSlow the MQTT client of the device ended the connection so many s into the transfer
 */
export function lostInTransfer({ observer }: TransferInput, tooSlow?: number): HomieError {
  if (tooSlow !== undefined) {
    return new HomieError(
      'LOST_IN_TRANSFER',
      `The device itself closed its connection about ${tooSlow} s into the transfer and still runs the old firmware: receiving and flashing the image took too long for its MQTT client.`,
      {
        hint: 'Improve the Wi-Fi signal of the device, or make the image smaller. Otherwise, build the firmware with an MQTT client that allows longer transfers.',
      },
    );
  }
  if (!observer.blinked) return new HomieError('LOST_IN_TRANSFER');
  return new HomieError(
    'LOST_IN_TRANSFER',
    'The connection to the broker was lost during the transfer, and the device still runs the old firmware.',
    { hint: 'Check that the broker is running and can be reached, then try again.' },
  );
}

export function stalled({ observer }: TransferInput): HomieError {
  if (!observer.blinked) return new HomieError('STALLED');
  return new HomieError(
    'STALLED',
    'The connection to the broker was lost during the transfer, and the device has not responded since.',
    { hint: 'Check that the broker is running and can be reached. Restart the device if it accepts no other job.' },
  );
}

/** The device did not come back, and may have had the whole image. */
export function lostUnseen(): HomieError {
  return new HomieError(
    'NOT_BACK',
    'The device was lost during the transfer and did not come back in time; it may have received the whole image.',
    {
      hint: 'Check the power supply and Wi-Fi signal of the device. If they are fine, the image may be built for another flash layout: look for an access point that the device opened, and power-cycle it.',
    },
  );
}
