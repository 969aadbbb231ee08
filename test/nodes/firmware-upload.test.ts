import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, request, type IncomingMessage } from 'node:http';
import { readUpload, UploadSlots, type UploadLimits } from '../../nodes/firmware-upload';

const body = Buffer.alloc(100_000, 0xe9);

/** Uploads a part of the body to a server, and gives the request there, with what ends all. */
async function begin(part: number): Promise<{
  readonly upload: IncomingMessage;
  readonly send: (bytes: Buffer) => void;
  readonly end: () => Promise<void>;
}> {
  const server = createServer();
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const port = Number(Reflect.get(Object(server.address()), 'port'));
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
      message: 'The upload stalled: no data came for 0.3 s.',
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

describe('The uploads at the same time', () => {
  it('are two for each user, and eight in all', () => {
    const slots = new UploadSlots();
    const release = slots.take('a');
    slots.take('a');
    assert.throws(() => slots.take('a'), { reason: 'busy' });
    for (const user of ['b', 'c', 'd']) for (let count = 0; count < 2; count += 1) slots.take(user);
    assert.throws(() => slots.take('e'), { reason: 'busy' });
    release();
    // What is released twice is one.
    release();
    slots.take('e');
    assert.throws(() => slots.take('e'), { reason: 'busy' });
  });
});
