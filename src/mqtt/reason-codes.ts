import { HomieError } from '../errors';
import { phrase, textOf } from '../texts/text';

type Phrase = Parameters<typeof phrase>[0];

/**
 * The error code, the reason that the broker gives, and the advice, unless the hint of the error code serves as advice.
 */
type Reason = readonly [
  code: 'BROKER_PROTOCOL' | 'BROKER_REFUSED' | 'BROKER_UNREACHABLE',
  reason: Phrase,
  advice?: Phrase,
];

/**
 * Reason codes of CONNACK: those below 128 are of MQTT 3.1.1 (section 3.2.2.3), the others of MQTT 5 (section 3.2.2.2),
 * including those of its DISCONNECT (section 3.14.2.1).
 */
const reasons: Readonly<Record<number, Reason>> = {
  1: ['BROKER_PROTOCOL', 'reasonVersion', 'adviceVersion'],
  2: ['BROKER_REFUSED', 'reasonClientId', 'adviceClientId'],
  3: ['BROKER_UNREACHABLE', 'reasonNotAvailable', 'adviceWait'],
  4: ['BROKER_REFUSED', 'reasonLogin'],
  5: ['BROKER_REFUSED', 'reasonLoginOrRights'],
  128: ['BROKER_REFUSED', 'reasonNone', 'adviceLog'],
  129: ['BROKER_PROTOCOL', 'reasonUnreadable', 'adviceLog'],
  130: ['BROKER_PROTOCOL', 'reasonProtocol', 'adviceLog'],
  131: ['BROKER_REFUSED', 'reasonImplementation', 'adviceLog'],
  132: ['BROKER_PROTOCOL', 'reasonVersion', 'adviceVersion'],
  133: ['BROKER_REFUSED', 'reasonClientId', 'adviceClientId'],
  134: ['BROKER_REFUSED', 'reasonLogin'],
  135: ['BROKER_REFUSED', 'reasonLoginOrRights'],
  136: ['BROKER_UNREACHABLE', 'reasonNotAvailable', 'adviceWait'],
  137: ['BROKER_UNREACHABLE', 'reasonBusy', 'adviceWait'],
  138: ['BROKER_REFUSED', 'reasonBanned', 'adviceBan'],
  139: ['BROKER_UNREACHABLE', 'reasonShutdown', 'adviceStart'],
  140: ['BROKER_REFUSED', 'reasonAuthentication', 'adviceAuthentication'],
  141: ['BROKER_UNREACHABLE', 'reasonKeepalive', 'adviceNetwork'],
  142: ['BROKER_REFUSED', 'reasonTakenOver', 'adviceOwnClientId'],
  143: ['BROKER_REFUSED', 'reasonFilter', 'adviceLog'],
  144: ['BROKER_REFUSED', 'reasonTopic', 'adviceLog'],
  149: ['BROKER_PROTOCOL', 'reasonTooLarge', 'advicePacketSize'],
  150: ['BROKER_REFUSED', 'reasonMessageRate', 'adviceMessageRate'],
  151: ['BROKER_REFUSED', 'reasonQuota', 'adviceQuota'],
  152: ['BROKER_REFUSED', 'reasonAdministrative', 'adviceLog'],
  154: ['BROKER_REFUSED', 'reasonRetained', 'adviceRetained'],
  155: ['BROKER_REFUSED', 'reasonQos', 'adviceQos'],
  156: ['BROKER_REFUSED', 'reasonOtherServer', 'adviceOperator'],
  157: ['BROKER_REFUSED', 'reasonMoved', 'adviceOperator'],
  159: ['BROKER_REFUSED', 'reasonConnectionRate', 'adviceConnectionRate'],
  160: ['BROKER_REFUSED', 'reasonConnectionTime', 'adviceConnectionTime'],
  161: ['BROKER_REFUSED', 'reasonSubscriptionId', 'adviceLog'],
  162: ['BROKER_REFUSED', 'reasonWildcards', 'adviceWildcards'],
};

/** A client that was accepted but is not authorized needs other rights, not another password. */
const unauthorized: Reason = ['BROKER_REFUSED', 'reasonRights', 'adviceRights'];

/** The longest address of another server that is shown, in characters. */
const MAX_REFERENCE = 200;

/**
 * Returns an error that explains why a broker refused or closed a connection.
 *
 * @param opened whether the broker had accepted the connection
 * @param server the other server that the broker names (MQTT 5, sections 3.2.2.3.16 and 3.14.2.2.5)
 */
export function byReasonCode(number: number, opened: boolean, server?: string): HomieError {
  const reason = opened && number === 135 ? unauthorized : reasons[number];
  if (reason === undefined)
    return new HomieError(opened ? 'BROKER_PROTOCOL.unknown' : 'BROKER_REFUSED.unknown', { code: number });
  const [code, why, what] = reason;
  const advice =
    server !== undefined && (number === 156 || number === 157)
      ? phrase('adviceServer', { address: server.slice(0, MAX_REFERENCE) })
      : what === undefined
        ? textOf(code, 'hint', {})
        : phrase(what);
  return new HomieError(`${code}.${opened ? 'closed' : 'refused'}`, { reason: phrase(why), code: number, advice });
}
