import { promisify, types } from 'node:util';
import { gunzip } from 'node:zlib';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { HomieError } from '../errors';
import type { ErrorKey } from '../texts/text';
import { readBase64 } from './base64';
import { MAGIC, MAX_IMAGE } from './format';
import { otherText } from './other-file';
import { isPage, isReadable, kindOf } from './text';

/** The longest input, in characters or bytes: the largest image in wrapped base64. */
const MAX_INPUT = (MAX_IMAGE / 3) * 4 * 1.1;

/** How many characters of a text determine its kind. */
const HEAD = 1024;

/** Numbers that are checked between two turns of the event loop. */
const RUN = 65_536;

/**
 * Reads `msg.payload` as an image: a Buffer, Uint8Array, ArrayBuffer, the JSON form of a Buffer, or base64 text
 * (wrapped or not, with or without a byte order mark, also as a Buffer), and any of these compressed with gzip.
 *
 * @returns the plain image, always a copy: the input is neither changed nor kept. It need not begin with 0xE9
 * @throws {HomieError} PAYLOAD_TYPE, FIRMWARE_EMPTY, FIRMWARE_IS_HTML, FIRMWARE_IS_TEXT, FIRMWARE_BASE64,
 *   FIRMWARE_GZIP, FIRMWARE_TOO_LARGE
 */
export async function readPayload(payload: unknown): Promise<Buffer> {
  const bytes = typeof payload === 'string' ? await readText(payload) : await readBytes(payload);
  const image = isGzip(bytes) ? await decompress(bytes) : bytes;
  if (image.length === 0) throw new HomieError('FIRMWARE_EMPTY');
  if (image.length > MAX_IMAGE) throw new HomieError('FIRMWARE_TOO_LARGE');
  const kind = image[0] === MAGIC ? 'binary' : kindOf(image);
  const other = image[0] === MAGIC ? undefined : otherText(image);
  if (other !== undefined) throw other;
  if (kind !== 'binary') throw new HomieError(kind === 'page' ? 'FIRMWARE_IS_HTML' : 'FIRMWARE_IS_TEXT');
  return image;
}

async function readText(text: string): Promise<Buffer> {
  if (text === '') throw new HomieError('FIRMWARE_EMPTY');
  if (text.length > MAX_INPUT) throw new HomieError('FIRMWARE_TOO_LARGE');
  if (isPage(text)) throw new HomieError('FIRMWARE_IS_HTML');
  const other = otherText(Buffer.from(text.slice(0, HEAD), 'latin1'));
  if (other !== undefined) throw other;
  const bytes = await readBase64(text);
  if (bytes !== undefined) return bytes;
  throw new HomieError(isReadable(text) ? 'FIRMWARE_IS_TEXT' : 'FIRMWARE_IS_TEXT.binary');
}

async function readBytes(payload: unknown): Promise<Buffer> {
  const bytes = await copyBytes(payload);
  if (bytes[0] === MAGIC || isGzip(bytes)) return bytes;
  const base64 = kindOf(bytes) === 'text' ? await readBase64(bytes.toString('utf8')) : undefined;
  return base64 ?? bytes;
}

async function copyBytes(payload: unknown): Promise<Buffer> {
  // Not instanceof: objects from a function node belong to another realm.
  if (types.isUint8Array(payload)) return copyOf(payload);
  if (types.isAnyArrayBuffer(payload)) {
    // A transferred ArrayBuffer has no bytes, and no view of it can be made.
    return payload.byteLength === 0 ? Buffer.alloc(0) : copyOf(new Uint8Array(payload));
  }
  if (isBufferJson(payload)) return readNumbers(payload.data);
  throw new HomieError(typeError(payload), { type: typeof payload });
}

function copyOf(bytes: Uint8Array): Buffer {
  if (bytes.length > MAX_INPUT) throw new HomieError('FIRMWARE_TOO_LARGE');
  return Buffer.from(bytes);
}

/** Whether a payload is what `JSON.stringify` makes of a Buffer. */
function isBufferJson(payload: unknown): payload is { type: 'Buffer'; data: readonly unknown[] } {
  if (typeof payload !== 'object' || payload === null) return false;
  return 'type' in payload && payload.type === 'Buffer' && 'data' in payload && Array.isArray(payload.data);
}

async function readNumbers(data: readonly unknown[]): Promise<Buffer> {
  if (data.length > MAX_IMAGE) throw new HomieError('FIRMWARE_TOO_LARGE');
  const bytes = Buffer.alloc(data.length);
  for (let index = 0; index < data.length; index += 1) {
    if (index > 0 && index % RUN === 0) await nextTurn();
    const value = data[index];
    if (typeof value !== 'number' || (value & 0xff) !== value) {
      throw new HomieError('PAYLOAD_TYPE.notByte', { index });
    }
    bytes[index] = value;
  }
  return bytes;
}

function isGzip(bytes: Buffer): boolean {
  return bytes[0] === 0x1f && bytes[1] === 0x8b;
}

async function decompress(bytes: Buffer): Promise<Buffer> {
  try {
    return await promisify(gunzip)(bytes, { maxOutputLength: MAX_IMAGE });
  } catch (error) {
    const tooLarge = error instanceof RangeError && 'code' in error && error.code === 'ERR_BUFFER_TOO_LARGE';
    throw new HomieError(tooLarge ? 'FIRMWARE_TOO_LARGE' : 'FIRMWARE_GZIP', {}, { cause: error });
  }
}

function typeError(payload: unknown): ErrorKey {
  if (payload === undefined || payload === null) return 'PAYLOAD_TYPE.notSet';
  if (Array.isArray(payload)) return 'PAYLOAD_TYPE.array';
  return typeof payload === 'object' ? 'PAYLOAD_TYPE.object' : 'PAYLOAD_TYPE.otherType';
}
