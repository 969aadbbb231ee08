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

/** Time limits of a download, in ms. */
export interface Pace {
  /** From the request to the headers of the response. */
  readonly answer: number;
  /** Between two chunks of the body. */
  readonly stall: number;
  /** The whole download, with its redirects. */
  readonly total: number;
}

const usualPace: Pace = { answer: 30_000, stall: 30_000, total: 120_000 };

export interface DownloadOptions {
  /** The server's name in errors. */
  readonly shown: string;
  readonly accept: string;
  readonly credentials?: Credentials | undefined;
  /** The validators of the known version, for which the server may answer 304. */
  readonly known?: Validators | undefined;
  /** Maximum size of the body, in bytes. */
  readonly limit?: number;
  readonly pace?: Partial<Pace>;
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
export async function download(address: URL, options: DownloadOptions): Promise<Download> {
  const { signal, shown, pace } = options;
  signal.throwIfAborted();
  const watch = new Watch(shown, { ...usualPace, ...pace });
  const abort = (): void => watch.abort(signal.reason);
  signal.addEventListener('abort', abort, { once: true });
  try {
    return await follow(address, options, watch);
  } catch (error) {
    if (watch.signal.aborted) throw watch.signal.reason;
    throw error instanceof HomieError ? error : networkError(error, shown);
  } finally {
    signal.removeEventListener('abort', abort);
    // Also ends the connection if the body was not read to its end.
    watch.abort(new DOMException('The download has ended.', 'AbortError'));
  }
}

async function follow(address: URL, options: DownloadOptions, watch: Watch): Promise<Download> {
  let target = address;
  for (let redirects = 0; redirects <= MAX_REDIRECTS; redirects += 1) {
    watch.expectAnswer();
    const response = await fetch(target, {
      redirect: 'manual',
      headers: headersFor(target, options),
      signal: watch.signal,
    });
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
  watch: Watch,
): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  let length = 0;
  try {
    watch.expectBody();
    for await (const chunk of bytesOf(response)) {
      length += chunk.length;
      if (length > limit) throw new HomieError('FIRMWARE_TOO_LARGE');
      chunks.push(chunk);
      watch.expectBody();
    }
  } catch (error) {
    if (error instanceof HomieError || watch.signal.aborted) throw error;
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

/** Aborts a download when a step takes too long. */
class Watch {
  readonly #controller = new AbortController();
  readonly #host: string;
  readonly #pace: Pace;
  readonly #total: NodeJS.Timeout;
  #step: NodeJS.Timeout | undefined;

  constructor(host: string, pace: Pace) {
    this.#host = host;
    this.#pace = pace;
    this.#total = this.#start('total');
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  expectAnswer(): void {
    this.#expect('answer');
  }

  expectBody(): void {
    this.#expect('stall');
  }

  /** Also ends the timers. */
  abort(reason: unknown): void {
    clearTimeout(this.#total);
    clearTimeout(this.#step);
    this.#controller.abort(reason);
  }

  #expect(step: keyof Pace): void {
    clearTimeout(this.#step);
    if (!this.signal.aborted) this.#step = this.#start(step);
  }

  #start(step: keyof Pace): NodeJS.Timeout {
    const ms = this.#pace[step];
    const values = { host: this.#host, seconds: ms / 1000 };
    return setTimeout(() => this.abort(new HomieError(`SOURCE_TIMEOUT.${step}`, values)), ms);
  }
}
