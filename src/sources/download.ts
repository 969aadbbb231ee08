import { withDeadline } from '../deadline';
import { HomieError } from '../errors';
import { MAX_IMAGE } from '../firmware/format';
import { networkError, refusalOf } from './download-errors';

/** Credentials for a server. */
export interface Credentials {
  /** The only origin (scheme, host and port) that they are sent to. */
  readonly origin: string;
  /** The value of the Authorization header. */
  readonly authorization: string;
}

/**
 * Time limits of a download, in ms: while nothing arrives, and in total with its redirects, so that one slow file does
 * not use up the time of a whole search.
 */
export interface DownloadLimits {
  readonly idle: number;
  readonly total: number;
}

const LIMITS: DownloadLimits = { idle: 30_000, total: 120_000 };

export interface DownloadOptions {
  /** The server's name in errors. */
  readonly shown: string;
  readonly accept: string;
  readonly credentials?: Credentials | undefined;
  /** The validators of the known version, for which the server may answer 304. */
  readonly known?: Validators | undefined;
  /** Maximum size of the body, in bytes. */
  readonly limit?: number;
  readonly signal: AbortSignal;
}

/** The headers that identify a version. With them, the server is asked whether there is another version. */
export interface Validators {
  readonly etag: string | null;
  readonly lastModified: string | null;
}

/** The downloaded body, or `isKnown` if the server still has the known version. */
export type Download =
  { readonly isKnown: true } | { readonly isKnown: false; readonly body: Buffer; readonly validators: Validators };

const MAX_REDIRECTS = 5;

const REDIRECTS: ReadonlySet<number> = new Set([301, 302, 303, 307, 308]);

/**
 * Downloads an address with the fetch of Node.js, which checks the server's certificate. Follows at most 5 redirects,
 * and none from https to http. Sends credentials only to their own origin.
 *
 * @throws {HomieError} SOURCE_UNREACHABLE, SOURCE_TLS, SOURCE_TIMEOUT, SOURCE_REDIRECT, SOURCE_DENIED,
 * SOURCE_FORBIDDEN, SOURCE_NOT_FOUND, SOURCE_RATE_LIMIT, SOURCE_UNAVAILABLE, SOURCE_ANSWER, DOWNLOAD_TRUNCATED,
 * FIRMWARE_TOO_LARGE; the reason of the signal
 */
export async function download(
  address: URL,
  options: DownloadOptions,
  { idle, total }: DownloadLimits = LIMITS,
): Promise<Download> {
  const { signal, shown: host } = options;
  signal.throwIfAborted();
  const stalled = new AbortController();
  const timer = setTimeout(() => {
    stalled.abort(new HomieError('SOURCE_TIMEOUT.stall', { host, seconds: idle / 1000 }));
  }, idle);
  const ended = AbortSignal.any([signal, stalled.signal]);
  try {
    return await withDeadline(total, ended, async (until) => {
      try {
        return await follow(address, options, { until, timer });
      } catch (error) {
        ended.throwIfAborted();
        if (until.aborted) throw new HomieError('SOURCE_TIMEOUT.total', { host, seconds: total / 1000 });
        throw error instanceof HomieError ? error : networkError(error, host);
      }
    });
  } finally {
    clearTimeout(timer);
    // Also ends the connection if the body was not read to its end.
    stalled.abort(new DOMException('The download has ended.', 'AbortError'));
  }
}

/** Limits a download while it runs. */
interface Watch {
  /** Aborted when the download must end. */
  readonly until: AbortSignal;
  /** Ends the download unless something arrives. */
  readonly timer: NodeJS.Timeout;
}

async function follow(address: URL, options: DownloadOptions, watch: Watch): Promise<Download> {
  let target = address;
  for (let redirects = 0; redirects <= MAX_REDIRECTS; redirects += 1) {
    const response = await fetch(target, {
      redirect: 'manual',
      headers: headersFor(target, options),
      signal: watch.until,
    });
    watch.timer.refresh();
    if (!REDIRECTS.has(response.status)) return read(response, isOwn(target, options), options, watch);
    await response.body?.cancel();
    target = redirectTarget(response, target, options.shown);
  }
  throw new HomieError('SOURCE_REDIRECT.tooMany', { host: options.shown, most: MAX_REDIRECTS });
}

/** Whether credentials are sent to an address. */
function isOwn({ origin }: URL, { credentials }: DownloadOptions): boolean {
  return credentials?.origin === origin;
}

function headersFor(target: URL, options: DownloadOptions): Record<string, string> {
  const { accept, credentials, known } = options;
  return {
    accept,
    // If the body were compressed, Content-Length would not show whether it is complete.
    'accept-encoding': 'identity',
    'user-agent': 'node-red-homie-ota',
    ...(credentials && isOwn(target, options) && { authorization: credentials.authorization }),
    ...(typeof known?.etag === 'string' && { 'if-none-match': known.etag }),
    ...(typeof known?.lastModified === 'string' && { 'if-modified-since': known.lastModified }),
  };
}

function redirectTarget(response: Response, from: URL, host: string): URL {
  const location = response.headers.get('location') ?? '';
  if (location === '' || !URL.canParse(location, from)) throw new HomieError('SOURCE_REDIRECT.address', { host });
  const target = new URL(location, from);
  requireAsSafe(target, from, host);
  // fetch refuses an address that contains credentials. Those of a redirect are never used.
  target.username = '';
  target.password = '';
  return target;
}

/**
 * Refuses an address that a server names if it is less safe than that of the server.
 *
 * @throws {HomieError} SOURCE_REDIRECT.insecure: the address leads from https to http; SOURCE_REDIRECT.address: its
 * scheme is neither of these
 */
export function requireAsSafe(target: URL, from: URL, host: string): void {
  if (target.protocol === 'https:') return;
  if (target.protocol !== 'http:') throw new HomieError('SOURCE_REDIRECT.address', { host });
  if (from.protocol === 'https:') throw new HomieError('SOURCE_REDIRECT.insecure', { host });
}

async function read(
  response: Response,
  hasCredentials: boolean,
  options: DownloadOptions,
  watch: Watch,
): Promise<Download> {
  const { shown, known, limit = MAX_IMAGE } = options;
  if (response.status === 304 && known !== undefined) return { isKnown: true };
  const refusal = refusalOf(response, shown, hasCredentials);
  if (refusal !== undefined) throw refusal;
  const { headers } = response;
  const expected = headers.has('content-encoding') ? undefined : lengthOf(headers.get('content-length'));
  if (expected !== undefined && expected > limit) throw new HomieError('FIRMWARE_TOO_LARGE');
  const body = await readBody(response, limit, expected, options, watch);
  return {
    isKnown: false,
    body,
    validators: { etag: headers.get('etag'), lastModified: headers.get('last-modified') },
  };
}

function lengthOf(text: string | null): number | undefined {
  return text !== null && /^\d{1,15}$/.test(text) ? Number(text) : undefined;
}

async function readBody(
  response: Response,
  limit: number,
  expected: number | undefined,
  { shown }: DownloadOptions,
  { until, timer }: Watch,
): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  let length = 0;
  try {
    for await (const chunk of bytesOf(response)) {
      length += chunk.length;
      if (length > limit) throw new HomieError('FIRMWARE_TOO_LARGE');
      chunks.push(chunk);
      timer.refresh();
    }
  } catch (error) {
    if (error instanceof HomieError || until.aborted) throw error;
    throw new HomieError('DOWNLOAD_TRUNCATED.broken', { host: shown });
  }
  if (expected !== undefined && length < expected) {
    throw new HomieError('DOWNLOAD_TRUNCATED.length', { host: shown, length, expected });
  }
  return Buffer.concat(chunks, length);
}

async function* bytesOf({ body }: Response): AsyncGenerator<Uint8Array, void, undefined> {
  const reader = body?.getReader();
  for (let part = await reader?.read(); part?.done === false; part = await reader?.read()) yield part.value;
}
