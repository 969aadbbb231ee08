import assert from 'node:assert/strict';
import type { NodeMessage } from 'node-red';
import { Outbox } from '../../nodes/shared/replies';
import type { Update } from '../../src/update/update';

const said = { text: 'Something.' };
const job = { job: 'j', ...said };

/** An update of a device in a job. */
const update: Update = {
  job: 'j',
  device: 'a',
  state: 'queued',
  progress: 0,
  written: 0,
  total: 0,
  estimated: false,
  from: {},
  attempt: 0,
  startedAt: '2026-01-01T00:00:00.000Z',
  duration: 0,
};

function open(msg: NodeMessage): { outbox: Outbox; sent: (NodeMessage | null)[][] } {
  const sent: (NodeMessage | null)[][] = [];
  const send = (messages: (NodeMessage | null)[]): void => void sent.push(messages);
  return { outbox: new Outbox(msg, { clone: structuredClone, oldMessages: false, send }), sent };
}

describe('the answers to a message', () => {
  it('go to their output and keep the properties of the message', () => {
    const { outbox, sent } = open({ _msgid: '1', topic: 't', nested: { a: 1 }, payload: Buffer.from('image') });
    outbox.send('progress', job);
    outbox.send('summary', said);
    assert.deepEqual(sent, [
      [null, { _msgid: '1', topic: 't', nested: { a: 1 }, payload: job }, null],
      [null, null, { _msgid: '1', topic: 't', nested: { a: 1 }, payload: said }],
    ]);
  });

  it('have the device that they are about, and those about several the devices of the message', () => {
    const { outbox, sent } = open({ topic: 't', device: ['a', 'b'] });
    outbox.send('result', { device: 'a', ...said });
    outbox.send('summary', { devices: [], ...said });
    assert.deepEqual(sent[0]?.[0], { topic: 'a', device: 'a', payload: { device: 'a', ...said } });
    assert.deepEqual(sent[1]?.[2], { topic: 't', device: ['a', 'b'], payload: { devices: [], ...said } });
  });

  it('say what they are about in a sentence, also about each device of a summary', () => {
    const { outbox, sent } = open({});
    const told = { ...update, text: 'a: queued.' };
    const summary = { job: 'j', state: 'running', counts: {}, duration: 0, text: 'Two.' } as const;
    outbox.send('progress', update);
    outbox.send('summary', { ...summary, devices: [update, update] });
    assert.deepEqual(sent[0]?.[1]?.payload, told);
    assert.deepEqual(sent[1]?.[2]?.payload, { ...summary, devices: [told, told] });
  });

  it('do not ask anything of the next node', () => {
    const asks = { action: 'get', checksum: '0'.repeat(32), job: 'j', options: { force: true } };
    const { outbox, sent } = open({ ...asks, topic: 't', device: 'a' });
    outbox.send('summary', said);
    assert.deepEqual(sent[0]?.[2], { topic: 't', device: 'a', payload: said });
  });

  it('are objects of their own, so that one flow cannot change what another gets', () => {
    const nested = { list: [1] };
    const { outbox, sent } = open({ nested });
    const to = { version: '1.0.0' };
    outbox.send('progress', { to, ...said });
    outbox.send('progress', { to, ...said });
    const [first, second] = sent.map((messages) => messages[1]);
    assert.deepEqual(first?.payload, { to, ...said });
    assert.notEqual(Reflect.get(Object(first?.payload), 'to'), to);
    assert.notEqual(first?.['nested'], second?.['nested']);
    assert.notEqual(first?.['nested'], nested);
  });

  it('never hold the firmware, under another name neither', () => {
    const image = Buffer.alloc(1000, 0xe9);
    const text = image.toString('base64');
    for (const payload of [image, text]) {
      const { outbox, sent } = open({ payload, copy: payload, topic: 't' });
      outbox.send('progress', said);
      assert.deepEqual(sent[0]?.[1], { topic: 't', payload: said });
    }
  });

  it('keep a property that happens to be the same short text as the payload, or null', () => {
    const { outbox, sent } = open({ payload: 'x', topic: 'x' });
    outbox.send('result', said);
    assert.deepEqual(sent[0]?.[0], { topic: 'x', payload: said });
    const none = open({ payload: null, filename: null });
    none.outbox.send('result', said);
    assert.deepEqual(none.sent[0]?.[0], { filename: null, payload: said });
  });
});
