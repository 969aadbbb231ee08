import { HomieError } from '../errors';
import { phrase, type ErrorKey } from '../texts/text';
import { byReasonCode } from './reason-codes';

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

/** Errors of TLS, by codes of Node.js. */
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

/** Codes of the operating system. */
const unreachable: ReadonlyMap<string, ErrorKey> = new Map<string, ErrorKey>([
  ['ECONNREFUSED', 'BROKER_UNREACHABLE.noListener'],
  ['ENOTFOUND', 'BROKER_UNREACHABLE.unknownHost'],
  ['EAI_AGAIN', 'BROKER_UNREACHABLE.unresolved'],
  ['EHOSTUNREACH', 'BROKER_UNREACHABLE.noHostRoute'],
  ['ENETUNREACH', 'BROKER_UNREACHABLE.noNetworkRoute'],
  ['EHOSTDOWN', 'BROKER_UNREACHABLE.hostDown'],
  ['ETIMEDOUT', 'BROKER_UNREACHABLE.hostSilent'],
]);

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

/** Returns the error of TLS for a code of Node.js; undefined where the code is not about TLS. */
function tlsError(code: string): ErrorKey | undefined {
  const known = tlsErrors.get(code);
  if (known !== undefined || !/^(ERR_SSL|ERR_TLS|ERR_OSSL|EPROTO)/.test(code)) return known;
  if (code.startsWith('ERR_OSSL')) return 'BROKER_TLS.unreadable';
  if (code.includes('WRONG_VERSION_NUMBER') || code === 'EPROTO') return 'BROKER_TLS.notOnPort';
  return /CERTIFICATE_REQUIRED|HANDSHAKE_FAILURE|BAD_CERTIFICATE|UNKNOWN_CA/.test(code)
    ? 'BROKER_TLS.clientCertificate'
    : 'BROKER_TLS.failed';
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

/** The broker may have closed a connection that stood, or the network failed. */
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
