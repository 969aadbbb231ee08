import assert from 'node:assert/strict';
import fc from 'fast-check';
import { generate, type QoS } from 'mqtt-packet';
import { type Piece, Segments } from './segments';

const publish = (topic: string, payload: Buffer, qos: QoS = 0) =>
  generate({ cmd: 'publish', topic, payload, qos, dup: false, retain: false, ...(qos > 0 && { messageId: 7 }) });
const PINGRESP = generate({ cmd: 'pingresp' });

function cut(size: number, chunks: readonly Buffer[]): Piece[] {
  const segments = new Segments(size);
  const pieces: Piece[] = [];
  for (const chunk of chunks) {
    segments.push(chunk);
    for (let piece = segments.next(); piece; piece = segments.next()) pieces.push(piece);
  }
  return pieces;
}

const lengths = (pieces: readonly Piece[]) =>
  pieces.map((piece) => (piece.kind === 'publish' ? piece.payload.length : 0));

describe('cutting what the broker sends into segments', () => {
  const topic = `homie/lamp/${'x'.repeat(20)}`;

  it('leaves less room for the payload in the first, and less still at QoS 1', () => {
    const payload = Buffer.alloc(3000, 1);
    const header = 1 + 2 + 2 + topic.length;
    assert.deepEqual(lengths(cut(1460, [publish(topic, payload)])), [1460 - header, 1460, 3000 - 2920 + header]);
    assert.deepEqual(lengths(cut(1460, [publish(topic, payload, 1)])).slice(0, 2), [1460 - header - 2, 1460]);
  });

  it('goes on in the same segment with a message that is directly behind another', () => {
    const both = Buffer.concat([publish(topic, Buffer.alloc(2000, 1)), publish(topic, Buffer.alloc(2000, 2))]);
    const header = 1 + 2 + 2 + topic.length;
    const rest = 2000 - (1460 - header);
    assert.deepEqual(lengths(cut(1460, [both])).slice(0, 3), [1460 - header, rest, 1460 - rest - header]);
  });

  it('starts a segment with a message that comes alone', () => {
    const message = publish(topic, Buffer.alloc(2000, 1));
    const [first, second] = cut(1460, [message]);
    const [, , third, fourth] = cut(1460, [Buffer.concat([message, PINGRESP]), message]).filter(
      ({ kind }) => kind === 'publish',
    );
    assert.deepEqual([third, fourth], [first, second]);
  });

  it('does not depend on how the stream is read', () => {
    const stream = Buffer.concat([
      publish(topic, Buffer.alloc(5000, 1), 1),
      PINGRESP,
      publish(topic, Buffer.alloc(0)),
      PINGRESP,
      publish(topic, Buffer.alloc(3000, 2)),
    ]);
    const whole = cut(536, [stream]);
    fc.assert(
      fc.property(fc.uniqueArray(fc.integer({ min: 1, max: stream.length - 1 })), (places) => {
        const ends = [0, ...places.sort((a, b) => a - b), stream.length];
        const chunks = ends.slice(1).map((end, i) => stream.subarray(ends[i], end));
        assert.deepEqual(cut(536, chunks), whole);
      }),
    );
  });
});
