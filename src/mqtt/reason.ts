import { HomieError } from '../errors';
import { phrase } from '../texts/text';
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
    DEPTH_ZERO_SELF_SIGNED_CERT: 'it is self-signed and not trusted',
    SELF_SIGNED_CERT_IN_CHAIN: 'its certificate authority is unknown',
    UNABLE_TO_GET_ISSUER_CERT: 'its certificate authority is unknown',
    UNABLE_TO_GET_ISSUER_CERT_LOCALLY: 'its certificate authority is unknown',
    UNABLE_TO_VERIFY_LEAF_SIGNATURE: 'its certificate authority is unknown',
    CERT_SIGNATURE_FAILURE: 'its signature is wrong',
    CERT_UNTRUSTED: 'it is not trusted',
    INVALID_CA: 'its issuer is not a certificate authority',
    INVALID_PURPOSE: 'it is not a server certificate',
  }),
);

const unreachable: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'nothing is listening there',
  ENOTFOUND: 'the host name does not exist',
  EAI_AGAIN: 'the host name could not be resolved',
  EHOSTUNREACH: 'there is no route to this host',
  ENETUNREACH: 'there is no route to this network',
  EHOSTDOWN: 'the host is down',
  ETIMEDOUT: 'the host does not respond',
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
    return tls(`${url} answered with TLS.`, error, 'Switch TLS on, or use the port of the broker without TLS.');
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
  const shown = filters.slice(0, NAMED);
  const topics = filters.length > NAMED ? phrase('andMore', { shown, count: filters.length - NAMED }) : shown;
  const [code = 128] = refused.values();
  if (code === 151) return new HomieError('SUBSCRIBE_REFUSED.quota', { topics });
  if (code === 162) return new HomieError('SUBSCRIBE_REFUSED.wildcards', { topics });
  const isByAcl = code === 128 || code === 135;
  return new HomieError(isByAcl ? 'SUBSCRIBE_REFUSED.topics' : 'SUBSCRIBE_REFUSED.code', { topics, code });
}

function tls(message: string, cause: unknown, hint?: string): HomieError {
  return new HomieError('BROKER_TLS', message, { cause, ...(hint !== undefined && { hint }) });
}

/** Returns why TLS failed, by a code of Node.js; undefined where the code is not about TLS. */
function tlsFailure(code: string, error: unknown): HomieError | undefined {
  const certificate = certificateReasons.get(code);
  if (certificate !== undefined) return tls(`The certificate of the broker was rejected: ${certificate}.`, error);
  if (code === 'ERR_TLS_CERT_ALTNAME_INVALID') {
    return tls('The certificate of the broker was rejected: it was issued for another host name.', error);
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
      'Use the TLS port of the broker (often 8883), or switch TLS off.',
    );
  }
  if (/CERTIFICATE_REQUIRED|HANDSHAKE_FAILURE|BAD_CERTIFICATE|UNKNOWN_CA/.test(code)) {
    return tls(
      'The broker refused the TLS connection: it requires another client certificate.',
      error,
      'Set the certificate and private key for this client in the tls-config node.',
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
    return new HomieError('BROKER_UNREACHABLE', `${url} closed the connection without responding.`, { hint: LATER });
  }
  if (secure) {
    return tls(
      `${url} closed the connection during the TLS handshake.`,
      undefined,
      'Check that the port uses TLS, and whether the broker requires a client certificate.',
    );
  }
  if (!websocket && protocolVersion === 5) {
    return new HomieError('BROKER_PROTOCOL', `${url} closed the connection without responding.`, {
      hint: 'Choose MQTT 3.1.1 or the automatic choice: the broker may not support MQTT 5. Otherwise, the port requires TLS or is not an MQTT port.',
    });
  }
  if (!websocket) {
    return tls(
      `${url} closed the connection without responding; it probably requires TLS.`,
      undefined,
      'Switch TLS on, or use another port: this port may be the WebSocket port, or not an MQTT port.',
    );
  }
  return new HomieError('BROKER_PROTOCOL', `${url} closed the connection without responding.`);
}

function bySentence(error: unknown, secure: boolean, url: string): HomieError {
  const sentence = error instanceof Error ? error.message : '';
  if (sentence === 'connack timeout') {
    return new HomieError('BROKER_UNREACHABLE', `${url} did not respond in time.`, {
      hint: secure
        ? 'Check the host and port, and that the port uses TLS.'
        : 'Check the host and port; the port may require TLS, or may not be an MQTT port.',
    });
  }
  if (sentence === 'Username is required to use password') {
    return new HomieError('BROKER_SETTINGS', 'MQTT 3.1.1 does not allow a password without a user name.');
  }
  const response = /^Unexpected server response: (\d+)/.exec(sentence)?.[1];
  if (response !== undefined) {
    return new HomieError(
      'BROKER_PROTOCOL',
      `${url} does not accept WebSocket connections at this address (HTTP ${response}).`,
    );
  }
  return new HomieError('BROKER_PROTOCOL', `${url} does not respond like an MQTT broker.`, { cause: error });
}

/** The broker may have closed a connection that stood, or the network failed. */
function lost({ url, error, subscribing }: ConnectionEnd): HomieError {
  const code = codeOf(error);
  if (code === 'WS_ERR_UNSUPPORTED_MESSAGE_LENGTH') {
    return new HomieError('BROKER_PROTOCOL', `The connection to ${url} was closed: a message was too large.`, {
      hint: 'Clear retained messages larger than 64 MiB below the base topic, or connect without WebSocket.',
    });
  }
  const silent = error instanceof Error && error.message === 'Keepalive timeout';
  if (subscribing && !silent && (code === undefined || code === 'ECONNRESET')) {
    return new HomieError('BROKER_REFUSED', `${url} closed the connection before it acknowledged a subscription.`, {
      hint: 'Allow this user to read the topics of the devices in the ACL of the broker, and check its log.',
    });
  }
  const why = silent ? ': the broker no longer responds' : code === undefined ? '' : ` (${code})`;
  return new HomieError('BROKER_UNREACHABLE', `The connection to ${url} was lost${why}.`, {
    hint: 'Check the network, and that the broker is running.',
  });
}

function codeOf(error: unknown): string | number | undefined {
  if (typeof error !== 'object' || error === null || !('code' in error)) return undefined;
  const { code } = error;
  return typeof code === 'string' || typeof code === 'number' ? code : undefined;
}
