/** Requests to the admin routes of Node-RED. They go through jQuery, to which the editor adds its login. */
import type { Value } from '../../../src/texts/render';
import { sentences, t } from './texts';

/** A refused request: its message is for the user. */
export class Failure extends Error {
  /** The HTTP status; 0 if Node-RED does not respond. */
  readonly status: number;
  /** The code of the refusal. */
  readonly code: string;

  constructor(message: string, status = 0, code = '') {
    super(message);
    this.status = status;
    this.code = code;
  }
}

interface Refused {
  readonly status: number;
  readonly responseJSON?: { readonly code?: string; readonly says?: readonly Value[] };
}

/** The part of the path of a request below `homie-ota/brokers/<broker>/`, each element as it is. */
type Path = readonly string[];

/**
 * Sends a request about a homie-broker.
 *
 * @throws {Failure}
 */
export async function ask<Answer>(
  method: 'GET' | 'POST' | 'DELETE',
  broker: string,
  path: Path,
  body?: object,
): Promise<Answer> {
  try {
    return await $.ajax({
      url: urlOf(broker, path),
      method,
      dataType: 'json',
      ...(method === 'GET' ? { data: body } : { contentType: 'application/json', data: JSON.stringify(body ?? {}) }),
    });
  } catch (refused) {
    throw failureOf(refused);
  }
}

/**
 * Uploads bytes.
 *
 * @param progress called with 0 to 100
 * @param signal aborts the upload
 * @throws {Failure}
 */
export async function upload<Answer>(
  broker: string,
  path: Path,
  bytes: ArrayBuffer,
  { progress, signal }: { readonly progress: (percent: number) => void; readonly signal: AbortSignal },
): Promise<Answer> {
  const request = $.ajax({
    url: urlOf(broker, path),
    method: 'POST',
    contentType: 'application/octet-stream',
    data: bytes,
    processData: false,
    dataType: 'json',
    xhr: () => {
      const xhr = new XMLHttpRequest();
      xhr.upload.addEventListener('progress', ({ loaded, total }) => progress((loaded / total) * 100));
      return xhr;
    },
  });
  signal.addEventListener('abort', () => request.abort());
  try {
    return await request;
  } catch (refused) {
    throw failureOf(refused);
  }
}

/** Returns the answer, or the failure to show. */
export async function tried<Answer>(asked: Promise<Answer>): Promise<Answer | Failure> {
  try {
    return await asked;
  } catch (error) {
    if (error instanceof Failure) return error;
    throw error;
  }
}

function urlOf(broker: string, path: Path): string {
  const [last = '', ...others] = path.toReversed();
  const [name = '', query] = last.split('?');
  const parts = [broker, ...others.toReversed(), name].map(encodeURIComponent);
  return `homie-ota/brokers/${parts.join('/')}${query === undefined ? '' : `?${query}`}`;
}

function failureOf(refused: unknown): Failure {
  const { status = 0, responseJSON }: Partial<Refused> = Object(refused);
  const { code, says } = responseJSON ?? {};
  if (says !== undefined) return new Failure(sentences(says), status, code);
  const key = status === 401 || status === 403 ? 'mayNotWrite' : 'unreachable';
  return new Failure(t(key), status, key);
}
