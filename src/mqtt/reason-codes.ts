import { HomieError, type ErrorCode } from '../errors';

/** The reason that a broker gives, after "The broker refused the connection: " or "… closed …", and what to do about it. */
type Reason = readonly [code: ErrorCode, why: string, hint?: string];

const LOG = 'Check the log of the broker.';
/** What to do about a broker that is not available. */
export const LATER = 'Wait until the broker is available, and check its log.';
const VERSION = 'Let the homie-broker node choose the MQTT version automatically.';
const CLIENT_ID = 'Choose another client id in the homie-broker node.';
const OPERATOR =
  'Ask the operator of the broker for the address of that server, and enter it in the homie-broker node.';

/**
 * Reason codes of CONNACK, those below 128 of MQTT 3.1.1 (section 3.2.2.3), the others of MQTT 5 (section 3.2.2.2) and of
 * its DISCONNECT (section 3.14.2.1).
 */
const reasons: Readonly<Record<number, Reason>> = {
  1: ['BROKER_PROTOCOL', 'it does not support this MQTT version', VERSION],
  2: ['BROKER_REFUSED', 'it does not accept the client id', CLIENT_ID],
  3: ['BROKER_UNREACHABLE', 'it is currently not available', LATER],
  4: ['BROKER_REFUSED', 'bad user name or password'],
  5: ['BROKER_REFUSED', 'bad user name or password, or not authorized'],
  128: ['BROKER_REFUSED', 'it gave no reason', LOG],
  129: ['BROKER_PROTOCOL', 'it could not read a packet', LOG],
  130: ['BROKER_PROTOCOL', 'it reported a protocol error', LOG],
  131: ['BROKER_REFUSED', 'an implementation-specific error occurred', LOG],
  132: ['BROKER_PROTOCOL', 'it does not support this MQTT version', VERSION],
  133: ['BROKER_REFUSED', 'it does not accept the client id', CLIENT_ID],
  134: ['BROKER_REFUSED', 'bad user name or password'],
  135: ['BROKER_REFUSED', 'bad user name or password, or not authorized'],
  136: ['BROKER_UNREACHABLE', 'it is currently not available', LATER],
  137: ['BROKER_UNREACHABLE', 'it is busy', LATER],
  138: ['BROKER_REFUSED', 'it has banned this client', 'Lift the ban in the settings of the broker.'],
  139: ['BROKER_UNREACHABLE', 'it is shutting down', 'Start the broker again.'],
  140: [
    'BROKER_REFUSED',
    'it does not accept this authentication method',
    'Configure the broker to accept clients without enhanced authentication.',
  ],
  141: [
    'BROKER_UNREACHABLE',
    'it received nothing for too long (keep-alive)',
    'Check the network between Node-RED and the broker.',
  ],
  142: [
    'BROKER_REFUSED',
    'another client with the same client id took over the connection',
    'Give each client its own client id, or leave it empty in the homie-broker node to have one chosen.',
  ],
  143: ['BROKER_REFUSED', 'it does not accept the topic filter of a subscription', LOG],
  144: ['BROKER_REFUSED', 'it does not accept the topic of a message', LOG],
  149: [
    'BROKER_PROTOCOL',
    'a message was too large for it',
    'Raise the limit of the broker (mosquitto: max_packet_size and message_size_limit).',
  ],
  150: ['BROKER_REFUSED', 'too many messages in a short time', 'Raise the message rate that the broker allows.'],
  151: ['BROKER_REFUSED', 'a quota is exceeded', 'Raise the quota that the broker sets for this user.'],
  152: ['BROKER_REFUSED', 'an administrative action', LOG],
  154: [
    'BROKER_REFUSED',
    'it does not support retained messages',
    'Allow retained messages in the settings of the broker.',
  ],
  155: ['BROKER_REFUSED', 'it does not support the QoS of a message', 'Allow QoS 1 in the settings of the broker.'],
  156: ['BROKER_REFUSED', 'another server must be used', OPERATOR],
  157: ['BROKER_REFUSED', 'it has moved to another server', OPERATOR],
  159: [
    'BROKER_REFUSED',
    'too many connections in a short time',
    'Wait a while, or raise the connection rate that the broker allows.',
  ],
  160: [
    'BROKER_REFUSED',
    'the maximum connection time is over',
    'Raise the maximum connection time in the settings of the broker.',
  ],
  161: ['BROKER_REFUSED', 'it does not support subscription identifiers', LOG],
  162: [
    'BROKER_REFUSED',
    'it does not support wildcard subscriptions',
    'Allow wildcard subscriptions in the settings of the broker.',
  ],
};

/** Who was let in and is not authorized needs another right, not another password. */
const unauthorized: Reason = [
  'BROKER_REFUSED',
  'this user is not authorized for the request',
  'Allow this user to read and write the topics of the devices in the ACL of the broker.',
];

/** The longest address of another server that is shown, in characters. */
const MAX_REFERENCE = 200;

/**
 * Says in words why a broker refused a connection, or closed it.
 *
 * @param opened whether it had accepted the connection
 * @param server the other server that it names (MQTT 5, sections 3.2.2.3.16 and 3.14.2.2.5)
 */
export function byReasonCode(number: number, opened: boolean, server?: string): HomieError {
  const isUnauthorized = opened && number === 135;
  const [code, why, hint] = (isUnauthorized ? unauthorized : reasons[number]) ?? [
    opened ? 'BROKER_PROTOCOL' : 'BROKER_REFUSED',
    'the reason is unknown',
    LOG,
  ];
  const isKnown = reasons[number] !== undefined;
  const shown = opened || !isKnown ? ` (reason code ${number})` : '';
  const message = `The broker ${opened ? 'closed' : 'refused'} the connection: ${why}${shown}.`;
  if (server !== undefined && (number === 156 || number === 157)) {
    const address = server.slice(0, MAX_REFERENCE);
    return new HomieError(code, message, {
      hint: `In the homie-broker node, enter the server that the broker named: ${address}`,
    });
  }
  return new HomieError(code, message, hint === undefined ? {} : { hint });
}
