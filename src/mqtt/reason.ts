import { HomieError } from '../errors';
import { byReasonCode, LATER } from './reason-codes';

/** What was seen of a network connection that could not be made, or ended. */
export interface ConnectionEnd {
  /** The first error. */
  readonly error?: unknown;
  /** The reason code of a DISCONNECT from the broker. */
  readonly disconnect?: number;
  /** Whether the broker had accepted the connection. */
  readonly opened: boolean;
  readonly protocolVersion: 4 | 5;
  /** The other server that the broker names. */
  readonly server?: string;
  /** Whether a SUBSCRIBE was not acknowledged. */
  readonly subscribing: boolean;
  /** Whether the answer began as a TLS alert does. */
  readonly tlsAlert: boolean;
  /** Whether TLS was to be spoken. */
  readonly secure: boolean;
  readonly websocket: boolean;
  /** How to name the broker: its URL without credentials, unless that is not to be shown. */
  readonly url: string;
}

const certificateReasons: ReadonlyMap<string, string> = new Map(
  Object.entries({
    CERT_HAS_EXPIRED: 'it has expired',
    CERT_NOT_YET_VALID: 'it is not valid yet (check the clock)',
    CERT_REVOKED: 'it was revoked',
    DEPTH_ZERO_SELF_SIGNED_CERT: 'it is self-signed, and not known as trusted',
    SELF_SIGNED_CERT_IN_CHAIN: 'it comes from a certificate authority that is not known',
    UNABLE_TO_GET_ISSUER_CERT: 'it comes from a certificate authority that is not known',
    UNABLE_TO_GET_ISSUER_CERT_LOCALLY: 'it comes from a certificate authority that is not known',
    UNABLE_TO_VERIFY_LEAF_SIGNATURE: 'it comes from a certificate authority that is not known',
    CERT_SIGNATURE_FAILURE: 'its signature is wrong',
    CERT_UNTRUSTED: 'it is not trusted',
    INVALID_CA: 'its certificate authority is not one',
    INVALID_PURPOSE: 'it is not one for servers',
  }),
);

const unreachable: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'nothing listens there',
  ENOTFOUND: 'there is no host of this name',
  EAI_AGAIN: 'the name could not be looked up',
  EHOSTUNREACH: 'there is no way to this host',
  ENETUNREACH: 'there is no way to this network',
  EHOSTDOWN: 'the host is down',
  ETIMEDOUT: 'the host does not answer',
};

/** Whether the broker refused this version of MQTT. */
export function refusesVersion({ error }: ConnectionEnd): boolean {
  const code = codeOf(error);
  return code === 1 || code === 132;
}

/** Whether the connection ended before it was accepted, and the other side gave no reason. */
export function closedWithoutWord({ error, opened, disconnect }: ConnectionEnd): boolean {
  const code = codeOf(error);
  return !opened && disconnect === undefined && (error === undefined || code === 'ECONNRESET' || code === 'EPIPE');
}

/**
 * Says in words why there is no connection. No secret is in it.
 *
 * @param before whether a connection to this broker stood before
 */
export function explain(end: ConnectionEnd, before = false): HomieError {
  const { error, disconnect, opened, secure, url, server } = end;
  const code = codeOf(error);
  const number = disconnect ?? (typeof code === 'number' ? code : undefined);
  if (number !== undefined) return byReasonCode(number, opened, server);
  if (opened) return lost(end);
  if (answeredWithTls(end)) {
    return tls(`${url} answered with TLS.`, error, 'Switch TLS on, or use the port of the broker that is without TLS.');
  }
  const byTls = typeof code === 'string' ? tlsFailure(code, error) : undefined;
  if (byTls !== undefined) return byTls;
  if (closedWithoutWord(end)) return closed(end, before);
  // Codes of the operating system.
  if (typeof code === 'string' && /^E[A-Z]+$|^EAI_/.test(code)) {
    return new HomieError('BROKER_UNREACHABLE', `${url} cannot be reached: ${unreachable[code] ?? code}.`);
  }
  if (typeof code === 'string' && secure) return tls(`The TLS connection to the broker failed (${code}).`, error);
  return bySentence(error, secure, url);
}

/** So many refused filters are named. */
const NAMED = 3;

/**
 * Says in words that the broker refused subscriptions.
 *
 * @param refused reason codes of SUBACK (MQTT 5, section 3.9.3; 128 of MQTT 3.1.1) by filter, at least one
 */
export function subscribeError(refused: ReadonlyMap<string, number>): HomieError {
  const filters = [...refused.keys()];
  const more = filters.length > NAMED ? ` and ${filters.length - NAMED} more` : '';
  const what = `The broker refused to let this user subscribe to ${filters.slice(0, NAMED).join(', ')}${more}`;
  const [code = 128] = refused.values();
  if (code === 151) {
    return new HomieError('SUBSCRIBE_REFUSED', `${what}: a quota is exceeded.`, {
      hint: 'Raise the number of subscriptions that the broker allows for a client.',
    });
  }
  if (code === 162) {
    return new HomieError('SUBSCRIBE_REFUSED', `${what}: it does not support wildcards.`, {
      hint: 'Allow wildcard subscriptions in the settings of the broker.',
    });
  }
  const isByAcl = code === 128 || code === 135;
  return new HomieError('SUBSCRIBE_REFUSED', isByAcl ? `${what}.` : `${what} (reason code ${code}).`);
}

function tls(message: string, cause: unknown, hint?: string): HomieError {
  return new HomieError('BROKER_TLS', message, { cause, ...(hint !== undefined && { hint }) });
}

/** Returns why TLS failed, by a code of Node.js; undefined where the code is not about TLS. */
function tlsFailure(code: string, error: unknown): HomieError | undefined {
  const certificate = certificateReasons.get(code);
  if (certificate !== undefined) return tls(`The certificate of the broker was refused: ${certificate}.`, error);
  if (code === 'ERR_TLS_CERT_ALTNAME_INVALID') {
    return tls('The certificate of the broker was refused: it is for another host name.', error);
  }
  return /^(ERR_SSL|ERR_TLS|ERR_OSSL|EPROTO)/.test(code) ? tlsProtocol(code, error) : undefined;
}

function tlsProtocol(code: string, error: unknown): HomieError {
  if (code.startsWith('ERR_OSSL')) {
    return tls(
      `A certificate or private key for TLS cannot be read (${code}).`,
      error,
      'Check the files and the passphrase in the tls-config node.',
    );
  }
  if (code.includes('WRONG_VERSION_NUMBER') || code === 'EPROTO') {
    return tls(
      'The broker does not speak TLS on this port.',
      error,
      'Use the TLS port of the broker (often 8883), or no TLS.',
    );
  }
  if (/CERTIFICATE_REQUIRED|HANDSHAKE_FAILURE|BAD_CERTIFICATE|UNKNOWN_CA/.test(code)) {
    return tls(
      'The broker refused the TLS connection: it wants another client certificate.',
      error,
      'Give certificate and private key for this client in the tls-config node.',
    );
  }
  return tls(`The TLS connection to the broker failed (${code}).`, error);
}

/** A server that speaks TLS may answer anything else with an alert (RFC 8446, section 5.1). */
export function isTlsAlert(bytes: Buffer): boolean {
  return bytes[0] === 0x15 && bytes[1] === 3;
}

function answeredWithTls({ secure, tlsAlert, error }: ConnectionEnd): boolean {
  if (secure) return false;
  if (tlsAlert) return true;
  // Over WebSocket the HTTP parser of Node.js could not read it, and gives it along.
  const bytes: unknown = Reflect.get(Object(error), 'rawPacket');
  return Buffer.isBuffer(bytes) && isTlsAlert(bytes);
}

function closed({ secure, websocket, url, protocolVersion }: ConnectionEnd, before: boolean): HomieError {
  if (before) {
    return new HomieError('BROKER_UNREACHABLE', `${url} closed the connection without an answer.`, { hint: LATER });
  }
  if (secure) {
    return tls(
      `${url} closed the connection during the TLS handshake.`,
      undefined,
      'The port may not speak TLS, or the broker wants a client certificate.',
    );
  }
  if (!websocket && protocolVersion === 5) {
    return new HomieError('BROKER_PROTOCOL', `${url} closed the connection without an answer.`, {
      hint: 'Choose MQTT 3.1.1 or the automatic choice: the broker may not speak MQTT 5. Or the port requires TLS, or is not one for MQTT.',
    });
  }
  if (!websocket) {
    return tls(
      `${url} closed the connection without an answer; it probably wants TLS.`,
      undefined,
      'Switch TLS on, or use another port. It may also be the WebSocket port, or not that of an MQTT broker.',
    );
  }
  return new HomieError('BROKER_PROTOCOL', `${url} closed the connection without an answer.`);
}

function bySentence(error: unknown, secure: boolean, url: string): HomieError {
  const sentence = error instanceof Error ? error.message : '';
  if (sentence === 'connack timeout') {
    return new HomieError('BROKER_UNREACHABLE', `${url} did not answer in time.`, {
      hint: secure
        ? 'Check host and port, and that the port speaks TLS.'
        : 'Check host and port. The port may want TLS, or may not be that of an MQTT broker.',
    });
  }
  if (sentence === 'Username is required to use password') {
    return new HomieError('BROKER_SETTINGS', 'MQTT 3.1.1 has no password without a user name.');
  }
  const response = /^Unexpected server response: (\d+)/.exec(sentence)?.[1];
  if (response !== undefined) {
    return new HomieError('BROKER_PROTOCOL', `${url} does not take WebSocket connections there (HTTP ${response}).`);
  }
  return new HomieError('BROKER_PROTOCOL', `${url} does not speak MQTT as it should.`, { cause: error });
}

/** The broker may have closed a connection that stood, or the network failed. */
function lost({ url, error, subscribing }: ConnectionEnd): HomieError {
  const code = codeOf(error);
  if (code === 'WS_ERR_UNSUPPORTED_MESSAGE_LENGTH') {
    return new HomieError('BROKER_PROTOCOL', `The connection to ${url} was ended: a message was too large.`, {
      hint: 'Clear what is retained below the base topic and larger than 64 MiB, or connect without WebSocket.',
    });
  }
  const silent = error instanceof Error && error.message === 'Keepalive timeout';
  if (subscribing && !silent && (code === undefined || code === 'ECONNRESET')) {
    return new HomieError('BROKER_REFUSED', `${url} closed the connection before it acknowledged a subscription.`, {
      hint: 'Allow this user to read the topics of the devices in the ACL of the broker, and look into its log.',
    });
  }
  const why = silent ? ': the broker does not answer any more' : code === undefined ? '' : ` (${code})`;
  return new HomieError('BROKER_UNREACHABLE', `The connection to ${url} was lost${why}.`, {
    hint: 'Check the network, and that the broker is running.',
  });
}

function codeOf(error: unknown): string | number | undefined {
  if (typeof error !== 'object' || error === null || !('code' in error)) return undefined;
  const { code } = error;
  return typeof code === 'string' || typeof code === 'number' ? code : undefined;
}
