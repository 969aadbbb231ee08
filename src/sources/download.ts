import { HomieError } from '../errors';
import { MAX_IMAGE } from '../firmware/format';
import { networkError, refusalOf } from './download-errors';

/** What a server asks for before it gives something. */
export interface Credentials {
  /** The only scheme, host and port that they are sent to. */
  readonly origin: string;
  /** The value of the header Authorization. */
  readonly authorization: string;
}

/** How long each step may take, in ms. */
export interface Pace {
  /** From the request to the head of the answer. */
  readonly answer: number;
  /** Between two pieces of the body. */
  readonly stall: number;
  /** All of one download, with its redirects. */
  readonly total: number;
}

export const usualPace: Pace = { answer: 30_000, stall: 30_000, total: 120_000 };

export interface DownloadOptions {
  /** How errors name the server. */
  readonly shown: string;
  readonly accept: string;
  readonly credentials?: Credentials | undefined;
  /** What was said of the version that is known: an answer 304 stands for it. */
  readonly known?: Validators | undefined;
  /** Bytes of the body at most. */
  readonly limit?: number;
  readonly pace?: Pace;
  readonly signal: AbortSignal;
}

/** What a server says of a version: with them, it is asked whether there is another one. */
export interface Validators {
  readonly etag: string | null;
  readonly lastModified: string | null;
}

/** A body, or that it is the known one. */
export type Download =
  { readonly isKnown: true } | { readonly isKnown: false; readonly body: Buffer; readonly validators: Validators };

const MAX_REDIRECTS = 5;

const REDIRECTS: ReadonlySet<number> = new Set([301, 302, 303, 307, 308]);

/**
 * Downloads what is at an address, with the fetch of Node.js, which checks the certificate of a server. Follows at most 5
 * redirects, none from https to http. Credentials go to their own origin only.
 *
 * @throws {HomieError} SOURCE_UNREACHABLE, SOURCE_TLS, SOURCE_TIMEOUT, SOURCE_REDIRECT, SOURCE_DENIED, SOURCE_FORBIDDEN,
 *   SOURCE_NOT_FOUND, SOURCE_RATE_LIMIT, SOURCE_UNAVAILABLE, SOURCE_ANSWER, DOWNLOAD_TRUNCATED, FIRMWARE_TOO_LARGE; the
 *   reason of the signal
 */
export async function download(address: URL, options: DownloadOptions): Promise<Download> {
  const { signal, shown, pace = usualPace } = options;
  signal.throwIfAborted();
  const watch = new Watch(shown, pace);
  const abort = (): void => watch.abort(signal.reason);
  signal.addEventListener('abort', abort, { once: true });
  try {
    return await follow(address, options, watch);
  } catch (error) {
    if (watch.signal.aborted) throw watch.signal.reason;
    throw error instanceof HomieError ? error : networkError(error, shown);
  } finally {
    signal.removeEventListener('abort', abort);
    // Ends the connection, too, where the body was not read to its end.
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
    // The length of a body that was decompressed on the way says nothing about whether it is complete.
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
  // It would be sent as a header, to whoever is there.
  target.username = '';
  target.password = '';
  return target;
}

/**
 * Refuses an address that a server names, unless it is as safe as the one of that server.
 *
 * @throws {HomieError} SOURCE_REDIRECT.insecure, SOURCE_REDIRECT
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

/** Aborts a download when a step takes too long. Its timers are its own, and end with it. */
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
