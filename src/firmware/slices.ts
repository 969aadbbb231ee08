import { setImmediate as nextTurn } from 'node:timers/promises';

/** Bytes between two turns of the event loop: about 1 ms of MD5, and far below 50 ms even on a small computer. */
const SLICE = 512 * 1024;

/** Yields bytes in slices, and lets the event loop turn between them, since Node-RED has other work to do. */
export async function* slices(bytes: Buffer): AsyncGenerator<Buffer, void, undefined> {
  for (let start = 0; start < bytes.length; start += SLICE) {
    if (start > 0) await nextTurn();
    yield bytes.subarray(start, start + SLICE);
  }
}
