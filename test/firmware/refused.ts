import assert from 'node:assert/strict';
import { HomieError, type ErrorCode } from '../../src/errors';

/** Asserts that the promise is rejected by a HomieError of this code, with a sentence and a hint for people. */
export async function refused(promise: Promise<unknown>, code: ErrorCode, message?: RegExp): Promise<void> {
  await refusal(promise, code, message);
}

/** Asserts the same, and returns the error. */
export async function refusal(promise: Promise<unknown>, code: ErrorCode, message = /./): Promise<HomieError> {
  const error = await promise.then(
    () => assert.fail(`It was taken, not refused with ${code}.`),
    (reason: unknown) => reason,
  );
  assert.ok(error instanceof HomieError, `${String(error)} is not a HomieError`);
  assert.equal(error.code, code);
  assert.match(error.message, message);
  assert.match(error.hint, /./);
  return error;
}

/** A copy with one byte changed. */
export function flipped(image: Buffer, offset: number, mask = 0x01): Buffer {
  const copy = Buffer.from(image);
  copy.writeUInt8(copy.readUInt8(offset) ^ mask, offset);
  return copy;
}
