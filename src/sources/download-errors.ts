import { HomieError } from '../errors';

/** The longest wait to report, in s. */
const MAX_WAIT = 7 * 24 * 3600;

/**
 * Returns the error for an unsuccessful response; undefined if it was successful.
 *
 * @param host the server's name for display
 */
export function refusalOf(
  { status, ok, headers }: Response,
  host: string,
  hasCredentials: boolean,
): HomieError | undefined {
  if (ok) return undefined;
  const values = { host, status };
  switch (status) {
    case 401:
      return new HomieError(`SOURCE_DENIED.${hasCredentials ? 'refused' : 'noCredentials'}`, values);
    case 403:
      // GitHub also answers 403 when a rate limit is reached (REST API documentation, "Rate limits for the REST API").
      return headers.get('x-ratelimit-remaining') === '0' || headers.has('retry-after')
        ? rateLimit(headers, host)
        : new HomieError('SOURCE_FORBIDDEN.refused', values);
    case 404:
    case 410:
      return new HomieError(`SOURCE_NOT_FOUND.${hasCredentials ? 'missing' : 'noCredentials'}`, values);
    case 429:
      return rateLimit(headers, host);
    default:
      return new HomieError(status >= 500 ? 'SOURCE_UNAVAILABLE.code' : 'SOURCE_ANSWER.code', values);
  }
}

function rateLimit(headers: Headers, host: string): HomieError {
  const wait = waitOf(headers, Date.now());
  return wait === undefined
    ? new HomieError('SOURCE_RATE_LIMIT.soon', { host })
    : new HomieError('SOURCE_RATE_LIMIT.wait', { host, wait });
}

/**
 * Returns how long the server asks to wait, in s; undefined if it does not say. Retry-After is a number of seconds or a
 * date (RFC 9110, 10.2.3), X-RateLimit-Reset a time in seconds since 1970 (GitHub).
 *
 * @param now ms since 1970
 */
export function waitOf(headers: Headers, now: number): number | undefined {
  const after = headers.get('retry-after')?.trim() ?? '';
  if (/^\d+$/.test(after)) return bounded(Number(after));
  const date = after === '' ? Number.NaN : Date.parse(after);
  const reset = headers.get('x-ratelimit-reset')?.trim() ?? '';
  const until = Number.isNaN(date) && /^\d+$/.test(reset) ? Number(reset) * 1000 : date;
  return Number.isNaN(until) ? undefined : bounded(Math.ceil((until - now) / 1000));
}

function bounded(seconds: number): number {
  return Math.min(Math.max(seconds, 0), MAX_WAIT);
}

/**
 * Error codes of Node.js for a TLS connection that fails or a certificate that is not trusted (its documentation, "X509
 * certificate error codes").
 */
const TLS = /^(CERT_|DEPTH_ZERO_|SELF_SIGNED_|UNABLE_TO_|ERR_TLS_|ERR_SSL_|INVALID_CA|HOSTNAME_MISMATCH)|^EPROTO$/;

/**
 * Returns the error for what fetch has thrown. That is not kept as the cause: it names the host, which may come from an
 * environment variable, and Node-RED shows causes.
 */
export function networkError(error: unknown, host: string): HomieError {
  const cause: unknown = Reflect.get(Object(error), 'cause');
  const code = Reflect.get(Object(cause), 'code');
  const reason = typeof code === 'string' ? code : 'fetch';
  if (TLS.test(reason)) return new HomieError('SOURCE_TLS.reason', { host, reason });
  if (reason === 'ENOTFOUND' || reason === 'EAI_AGAIN') return new HomieError('SOURCE_UNREACHABLE.name', { host });
  if (reason === 'ECONNREFUSED') return new HomieError('SOURCE_UNREACHABLE.refused', { host });
  return new HomieError('SOURCE_UNREACHABLE.failed', { host, reason });
}
