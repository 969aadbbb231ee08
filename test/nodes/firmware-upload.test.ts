import assert from 'node:assert/strict';
import { once } from 'node:events';
import { PassThrough } from 'node:stream';
import fc from 'fast-check';
import { HomieError } from '../../src/errors';
import { createServer, request, type IncomingMessage } from 'node:http';
import { readUpload, UploadSlots, type UploadLimits } from '../../nodes/sidebar/firmware-upload';
import { startListening } from '../support/ports';

const body = Buffer.alloc(100_000, 0xe9);

/** Uploads a part of a body to a server. @returns the request at the server, and functions to send more and to end */
async function begin(part: number): Promise<{
  readonly upload: IncomingMessage;
  readonly send: (bytes: Buffer) => void;
  readonly end: () => Promise<void>;
}> {
  const server = createServer();
  const port = await startListening(server);
  const headers = { 'Content-Length': body.length };
  const client = request({ host: '127.0.0.1', port, method: 'POST', headers });
  client.on('error', () => undefined);
  const arrived = once(server, 'request');
  client.write(body.subarray(0, part));
  const [upload]: unknown[] = await arrived;
  assert.ok(isIncoming(upload));
  const end = async (): Promise<void> => {
    client.destroy();
    server.closeAllConnections();
    server.close();
    await once(server, 'close');
  };
  return { upload, send: (bytes) => client.write(bytes), end };
}

function isIncoming(value: unknown): value is IncomingMessage {
  return typeof value === 'object' && value !== null && 'headers' in value;
}

const limits: UploadLimits = { idle: 300, total: 60_000 };

describe('An upload', () => {
  it('is read to its end, also when it pauses for less than the idle limit', async () => {
    const { upload, send, end } = await begin(1000);
    const read = readUpload(upload, { ...limits, idle: 30_000 });
    for (let at = 1000; at < body.length; at += 33_000) {
      await once(upload, 'data');
      send(body.subarray(at, at + 33_000));
    }
    assert.deepEqual(await read, body);
    await end();
  });

  it('ends when nothing comes for the idle limit, and keeps nothing that comes later', async () => {
    const { upload, send, end } = await begin(1000);
    await assert.rejects(readUpload(upload, limits), {
      code: 'FIRMWARE_TRUNCATED',
      message: 'The upload stalled: no data arrived for 0.3 s.',
    });
    assert.equal(upload.listenerCount('data'), 0);
    send(body.subarray(1000));
    await once(upload, 'end');
    await end();
  });

  it('ends at the total limit, however steadily it trickles', async () => {
    const { upload, send, end } = await begin(1000);
    const trickle = setInterval(() => send(Buffer.alloc(1)), 20);
    await assert.rejects(readUpload(upload, { idle: 30_000, total: 500 }), { code: 'FIRMWARE_TRUNCATED' });
    clearInterval(trickle);
    await end();
  });
});

describe('Any upload', () => {
  it('is read as it came, or refused with a HomieError, and leaves nothing behind', async () => {
    const MIB = 1024 * 1024;
    const part = fc.oneof(
      { arbitrary: fc.uint8Array({ maxLength: 100 }).map((bytes) => Buffer.from(bytes)), weight: 9 },
      { arbitrary: fc.constantFrom(Buffer.alloc(0), Buffer.alloc(9 * MIB, 7)), weight: 1 },
    );
    const length = fc.constantFrom(undefined, '0', '100', String(16 * MIB + 1), '-1', 'x', '1e99', '', 'NaN');
    const end = fc.constantFrom('end', 'close', 'error', 'stall');
    let taken = 0;
    await fc.assert(
      fc.asyncProperty(fc.array(part, { maxLength: 8 }), length, end, async (parts, told, how) => {
        const upload = Object.assign(new PassThrough(), { headers: { 'content-length': told } });
        const read = readUpload(upload, { idle: 50, total: 60_000 }).then(
          (bytes) => bytes,
          (error: unknown) => error,
        );
        for (const each of parts) if (!upload.write(each)) await once(upload, 'drain');
        if (how === 'end') upload.end();
        if (how === 'close') upload.destroy();
        if (how === 'error') upload.destroy(new Error('reset'));
        // An error after the answer does not matter here.
        upload.on('error', () => undefined);
        const result = await read;
        const sent = Buffer.concat(parts);
        const isTooLarge = Number(told ?? 0) > 16 * MIB || (how === 'end' && sent.length > 16 * MIB);
        if (Buffer.isBuffer(result)) {
          assert.ok(how === 'end' && !isTooLarge && result.equals(sent));
          taken += 1;
        } else {
          assert.ok(result instanceof HomieError);
          assert.equal(result.code, isTooLarge ? 'FIRMWARE_TOO_LARGE' : 'FIRMWARE_TRUNCATED');
          assert.ok(isTooLarge || how !== 'end');
        }
        assert.equal(upload.listenerCount('data'), 0);
        upload.destroy();
      }),
      { numRuns: 150 },
    );
    assert.ok(taken > 5);
  });
});

describe('The uploads at the same time', () => {
  it('are never more than two for a user and eight in all, whoever comes and goes', () => {
    const step = fc.oneof(
      fc.constantFrom('a', 'b', 'c', 'd', 'e', '', '__proto__').map((user) => ({ user })),
      fc.nat(20).map((release) => ({ release })),
    );
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60, size: 'max' }), (steps) => {
        const slots = new UploadSlots();
        const taken: { readonly user: string; readonly release: () => void; open: boolean }[] = [];
        for (const each of steps) {
          if ('release' in each) {
            const slot = taken[each.release % Math.max(1, taken.length)];
            slot?.release();
            if (slot !== undefined) slot.open = false;
            continue;
          }
          const { user } = each;
          const open = taken.filter((slot) => slot.open);
          const isBusy = open.length >= 8 || open.filter((slot) => slot.user === user).length >= 2;
          if (isBusy) assert.throws(() => slots.take(user), { reason: 'busy' });
          else taken.push({ user, release: slots.take(user), open: true });
        }
      }),
    );
  });

  it('are two for each user, and eight in all', () => {
    const slots = new UploadSlots();
    const release = slots.take('a');
    slots.take('a');
    assert.throws(() => slots.take('a'), { reason: 'busy' });
    for (const user of ['b', 'c', 'd']) for (let count = 0; count < 2; count += 1) slots.take(user);
    assert.throws(() => slots.take('e'), { reason: 'busy' });
    release();
    // A second release frees no further slot.
    release();
    slots.take('e');
    assert.throws(() => slots.take('e'), { reason: 'busy' });
  });
});
