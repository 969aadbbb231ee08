import assert from 'node:assert/strict';
import type { NodeMessage } from 'node-red';
import { Outbox } from '../../nodes/outbox';

function open(msg: NodeMessage): { outbox: Outbox; sent: (NodeMessage | null)[][] } {
  const sent: (NodeMessage | null)[][] = [];
  return { outbox: new Outbox(msg, structuredClone, (messages) => sent.push(messages)), sent };
}

describe('the answers to a message', () => {
  it('go to their output and keep the properties of the message', () => {
    const { outbox, sent } = open({ _msgid: '1', topic: 't', nested: { a: 1 }, payload: Buffer.from('image') });
    outbox.send('result', { device: 'a' });
    outbox.send('summary', 'text');
    assert.deepEqual(sent, [
      [{ _msgid: '1', topic: 't', nested: { a: 1 }, payload: { device: 'a' } }, null, null],
      [null, null, { _msgid: '1', topic: 't', nested: { a: 1 }, payload: 'text' }],
    ]);
  });

  it('are objects of their own, so that one flow cannot change what another gets', () => {
    const nested = { list: [1] };
    const { outbox, sent } = open({ nested });
    const to = { version: '1.0.0' };
    outbox.send('progress', { to });
    outbox.send('progress', { to });
    const [first, second] = sent.map((messages) => messages[1]);
    assert.deepEqual(first?.payload, { to });
    assert.notEqual(Reflect.get(Object(first?.payload), 'to'), to);
    assert.notEqual(first?.['nested'], second?.['nested']);
    assert.notEqual(first?.['nested'], nested);
  });

  it('never hold the firmware, under another name neither', () => {
    const image = Buffer.alloc(1000, 0xe9);
    const text = image.toString('base64');
    for (const payload of [image, text]) {
      const { outbox, sent } = open({ payload, copy: payload, topic: 't' });
      outbox.send('progress', 1);
      assert.deepEqual(sent[0]?.[1], { topic: 't', payload: 1 });
    }
  });

  it('keep a property that happens to be the same short text as the payload, or null', () => {
    const { outbox, sent } = open({ payload: 'x', topic: 'x' });
    outbox.send('result', 1);
    assert.deepEqual(sent[0]?.[0], { topic: 'x', payload: 1 });
    const none = open({ payload: null, filename: null });
    none.outbox.send('result', 1);
    assert.deepEqual(none.sent[0]?.[0], { filename: null, payload: 1 });
  });
});
