import assert from 'node:assert/strict';
import type { NodeMessage } from 'node-red';
import { Replies } from '../../nodes/shared/replies';
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

function open(msg: NodeMessage): { replies: Replies; sent: (NodeMessage | null)[][] } {
  const sent: (NodeMessage | null)[][] = [];
  return { replies: new Replies(msg, structuredClone, (messages) => sent.push(messages)), sent };
}

describe('the answers to a message', () => {
  it('go to their output and keep the properties of the message', () => {
    const { replies, sent } = open({ _msgid: '1', topic: 't', nested: { a: 1 }, payload: Buffer.from('image') });
    replies.send('progress', job);
    replies.send('summary', said);
    assert.deepEqual(sent, [
      [null, { _msgid: '1', topic: 't', nested: { a: 1 }, payload: job }, null],
      [null, null, { _msgid: '1', topic: 't', nested: { a: 1 }, payload: said }],
    ]);
  });

  it('have the device that they are about, and those about several the devices of the message', () => {
    const { replies, sent } = open({ topic: 't', device: ['a', 'b'] });
    replies.send('result', { device: 'a', ...said });
    replies.send('summary', { devices: [], ...said });
    assert.deepEqual(sent[0]?.[0], { topic: 'a', device: 'a', payload: { device: 'a', ...said } });
    assert.deepEqual(sent[1]?.[2], { topic: 't', device: ['a', 'b'], payload: { devices: [], ...said } });
  });

  it('say what they are about in a sentence, also about each device of a summary', () => {
    const { replies, sent } = open({});
    const told = { ...update, text: 'a: queued.' };
    const summary = { job: 'j', state: 'running', counts: {}, duration: 0, text: 'Two.' } as const;
    replies.send('progress', update);
    replies.send('summary', { ...summary, devices: [update, update] });
    assert.deepEqual(sent[0]?.[1]?.payload, told);
    assert.deepEqual(sent[1]?.[2]?.payload, { ...summary, devices: [told, told] });
  });

  it('do not ask anything of the next node', () => {
    const asks = { action: 'get', checksum: '0'.repeat(32), job: 'j', options: { force: true } };
    const { replies, sent } = open({ ...asks, topic: 't', device: 'a' });
    replies.send('summary', said);
    assert.deepEqual(sent[0]?.[2], { topic: 't', device: 'a', payload: said });
  });

  it('are objects of their own, so that one flow cannot change what another gets', () => {
    const nested = { list: [1] };
    const { replies, sent } = open({ nested });
    const to = { version: '1.0.0' };
    replies.send('progress', { to, ...said });
    replies.send('progress', { to, ...said });
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
      const { replies, sent } = open({ payload, copy: payload, topic: 't' });
      replies.send('progress', said);
      assert.deepEqual(sent[0]?.[1], { topic: 't', payload: said });
    }
  });

  it('keep a property that happens to be the same short text as the payload, or null', () => {
    const { replies, sent } = open({ payload: 'x', topic: 'x' });
    replies.send('result', said);
    assert.deepEqual(sent[0]?.[0], { topic: 'x', payload: said });
    const none = open({ payload: null, filename: null });
    none.replies.send('result', said);
    assert.deepEqual(none.sent[0]?.[0], { filename: null, payload: said });
  });
});
