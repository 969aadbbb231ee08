import { HomieError } from '../errors';
import { phrase, type ErrorKey } from '../texts/text';
import { byReasonCode } from './reason-codes';

/** What is known of a network connection that failed or ended. */
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
  /** Whether a SUBSCRIBE was not yet acknowledged. */
  readonly subscribing: boolean;
  /** Whether the last bytes received began like a TLS alert. */
  readonly tlsAlert: boolean;
  /** Whether the connection uses TLS. */
  readonly secure: boolean;
  readonly websocket: boolean;
  /** How errors name the broker: its URL without credentials, or the name given instead of it. */
  readonly url: string;
}

/** TLS errors by error codes of Node.js. */
const tlsErrors: ReadonlyMap<string, ErrorKey> = new Map<string, ErrorKey>([
  ['CERT_HAS_EXPIRED', 'BROKER_TLS.expired'],
  ['CERT_NOT_YET_VALID', 'BROKER_TLS.notYetValid'],
  ['CERT_REVOKED', 'BROKER_TLS.revoked'],
  ['DEPTH_ZERO_SELF_SIGNED_CERT', 'BROKER_TLS.selfSigned'],
  ['SELF_SIGNED_CERT_IN_CHAIN', 'BROKER_TLS.unknownAuthority'],
  ['UNABLE_TO_GET_ISSUER_CERT', 'BROKER_TLS.unknownAuthority'],
  ['UNABLE_TO_GET_ISSUER_CERT_LOCALLY', 'BROKER_TLS.unknownAuthority'],
  ['UNABLE_TO_VERIFY_LEAF_SIGNATURE', 'BROKER_TLS.unknownAuthority'],
  ['CERT_SIGNATURE_FAILURE', 'BROKER_TLS.wrongSignature'],
  ['CERT_UNTRUSTED', 'BROKER_TLS.untrusted'],
  ['INVALID_CA', 'BROKER_TLS.noAuthority'],
  ['INVALID_PURPOSE', 'BROKER_TLS.noServerCertificate'],
  ['ERR_TLS_CERT_ALTNAME_INVALID', 'BROKER_TLS.otherHost'],
]);

/** Errors by error codes of the operating system. */
const unreachable: ReadonlyMap<string, ErrorKey> = new Map<string, ErrorKey>([
  ['ECONNREFUSED', 'BROKER_UNREACHABLE.noListener'],
  ['ENOTFOUND', 'BROKER_UNREACHABLE.unknownHost'],
  ['EAI_AGAIN', 'BROKER_UNREACHABLE.unresolved'],
  ['EHOSTUNREACH', 'BROKER_UNREACHABLE.noHostRoute'],
  ['ENETUNREACH', 'BROKER_UNREACHABLE.noNetworkRoute'],
  ['EHOSTDOWN', 'BROKER_UNREACHABLE.hostDown'],
  ['ETIMEDOUT', 'BROKER_UNREACHABLE.hostSilent'],
]);

/** Returns whether the broker refused this version of MQTT (CONNACK 1 of MQTT 3.1.1, 132 of MQTT 5). */
export function refusesVersion({ error }: ConnectionEnd): boolean {
  const code = codeOf(error);
  return code === 1 || code === 132;
}

/** Returns whether the other side closed the connection before it accepted it, and gave no reason. */
export function closedWithoutWord({ error, opened, disconnect }: ConnectionEnd): boolean {
  const code = codeOf(error);
  return !opened && disconnect === undefined && (error === undefined || code === 'ECONNRESET' || code === 'EPIPE');
}

/**
 * Returns an error that explains why there is no connection. It contains no secret.
 *
 * @param before whether there was a connection to this broker before
 */
export function explain(end: ConnectionEnd, before = false): HomieError {
  const { error, disconnect, opened, secure, url, server } = end;
  const code = codeOf(error);
  const number = disconnect ?? (typeof code === 'number' ? code : undefined);
  if (number !== undefined) return byReasonCode(number, opened, server);
  if (opened) return lost(end);
  if (answeredWithTls(end)) return new HomieError('BROKER_TLS.answered', { url }, { cause: error });
  const byTls = typeof code === 'string' ? tlsError(code) : undefined;
  if (byTls !== undefined) return new HomieError(byTls, { code: String(code) }, { cause: error });
  if (closedWithoutWord(end)) return closed(end, before);
  if (typeof code === 'string' && /^E[A-Z]+$|^EAI_/.test(code)) {
    return new HomieError(unreachable.get(code) ?? 'BROKER_UNREACHABLE.systemCode', { url, code });
  }
  if (typeof code === 'string' && secure) return new HomieError('BROKER_TLS.failed', { code }, { cause: error });
  return bySentence(error, secure, url);
}

/** How many refused filters an error names. */
const NAMED = 3;

/**
 * Returns the error for subscriptions that the broker refused.
 *
 * @param refused reason codes of SUBACK by filter, at least one (MQTT 5, section 3.9.3; always 128 with MQTT 3.1.1)
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

/** Returns the TLS error for an error code of Node.js; undefined if the code is not about TLS. */
function tlsError(code: string): ErrorKey | undefined {
  const known = tlsErrors.get(code);
  if (known !== undefined || !/^(ERR_SSL|ERR_TLS|ERR_OSSL|EPROTO)/.test(code)) return known;
  if (code.startsWith('ERR_OSSL')) return 'BROKER_TLS.unreadable';
  if (code.includes('WRONG_VERSION_NUMBER') || code === 'EPROTO') return 'BROKER_TLS.notOnPort';
  return /CERTIFICATE_REQUIRED|HANDSHAKE_FAILURE|BAD_CERTIFICATE|UNKNOWN_CA/.test(code)
    ? 'BROKER_TLS.clientCertificate'
    : 'BROKER_TLS.failed';
}

/**
 * Returns whether these bytes begin like a TLS alert, with which a TLS server may answer anything else (RFC 8446,
 * section 5.1).
 */
export function isTlsAlert(bytes: Buffer): boolean {
  return bytes[0] === 0x15 && bytes[1] === 3;
}

function answeredWithTls({ secure, tlsAlert, error }: ConnectionEnd): boolean {
  if (secure) return false;
  if (tlsAlert) return true;
  // Over WebSocket, the HTTP parser of Node.js fails to read the alert and attaches it to the error.
  const bytes: unknown = Reflect.get(Object(error), 'rawPacket');
  return Buffer.isBuffer(bytes) && isTlsAlert(bytes);
}

function closed({ secure, websocket, url, protocolVersion }: ConnectionEnd, before: boolean): HomieError {
  if (before) return new HomieError('BROKER_UNREACHABLE.closedSilently', { url });
  if (secure) return new HomieError('BROKER_TLS.closedInHandshake', { url });
  if (websocket) return new HomieError('BROKER_PROTOCOL.closedSilently', { url });
  return new HomieError(protocolVersion === 5 ? 'BROKER_PROTOCOL.closedSilently5' : 'BROKER_TLS.closedSilently', {
    url,
  });
}

function bySentence(error: unknown, secure: boolean, url: string): HomieError {
  const sentence = error instanceof Error ? error.message : '';
  if (sentence === 'connack timeout') {
    return new HomieError(secure ? 'BROKER_UNREACHABLE.noAnswerTls' : 'BROKER_UNREACHABLE.noAnswer', { url });
  }
  if (sentence === 'Username is required to use password') return new HomieError('BROKER_SETTINGS.passwordAlone');
  const status = /^Unexpected server response: (\d+)/.exec(sentence)?.[1];
  if (status !== undefined) return new HomieError('BROKER_PROTOCOL.webSocket', { url, status });
  return new HomieError('BROKER_PROTOCOL.notMqtt', { url }, { cause: error });
}

/** Explains the end of an accepted connection: the broker closed it, or the network failed. */
function lost({ url, error, subscribing }: ConnectionEnd): HomieError {
  const code = codeOf(error);
  if (code === 'WS_ERR_UNSUPPORTED_MESSAGE_LENGTH') return new HomieError('BROKER_PROTOCOL.messageTooLarge', { url });
  if (error instanceof Error && error.message === 'Keepalive timeout') {
    return new HomieError('BROKER_UNREACHABLE.lostSilent', { url });
  }
  if (subscribing && (code === undefined || code === 'ECONNRESET')) {
    return new HomieError('BROKER_REFUSED.subscription', { url });
  }
  return code === undefined
    ? new HomieError('BROKER_UNREACHABLE.lost', { url })
    : new HomieError('BROKER_UNREACHABLE.lostByCode', { url, code });
}

function codeOf(error: unknown): string | number | undefined {
  if (typeof error !== 'object' || error === null || !('code' in error)) return undefined;
  const { code } = error;
  return typeof code === 'string' || typeof code === 'number' ? code : undefined;
}
