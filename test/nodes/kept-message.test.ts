import assert from 'node:assert/strict';
import { keptOf, type Unkept } from '../../nodes/kept-message';
import { leastTime } from '../support/least-time';

const secret = 'open-sesame-4711';
const image = Buffer.alloc(1000, 0xe9);
const none: Unkept = { payload: image };

/** A patch whose secret has a name that only the user knows. */
const content = { name: 'Hall', settings: { wakeWord: secret, pin: 4711, colour: 'ultramarine' } };
const patch: Unkept = { payload: content, patch: { content, secretNames: ['wake', 'pin'] } };

describe('what is written down of a message', () => {
  it('is what a flow knows it by', () => {
    const msg = {
      _msgid: 'a1b2c3d4e5f60718',
      topic: 'nightly',
      when: { hour: 3, days: ['mon', null], exact: true },
      filename: '/firmware/my-light.bin',
      _session: { type: 'websocket', id: 'c0ffee' },
      count: 0,
      nothing: null,
    };
    assert.deepEqual(keptOf({ ...msg, payload: image }, none), msg);
  });

  it('is nothing that HTTP brought, in any case', () => {
    for (const name of ['req', 'res', 'headers', 'cookies', 'url', 'query', 'params', 'session', 'Headers', 'URL']) {
      assert.deepEqual(keptOf({ topic: 't', [name]: { a: secret } }, none), { topic: 't' }, name);
    }
  });

  it('shows no secret that its name tells, at any depth and in any case', () => {
    const names = [
      'password',
      'wifiPassword',
      'TOKEN',
      'access_token',
      'Authorization',
      'apiKey',
      'api-key',
      'x-api-key',
    ];
    for (const name of [...names, 'clientSecret', 'Set-Cookie', 'credentials', 'passphrase', 'pwd', 'psk', 'Auth']) {
      for (const value of [secret, 4711, [secret], { a: { b: secret } }]) {
        const kept = keptOf({ [name]: value, list: [{ id: 7, [name]: value }] }, none);
        assert.deepEqual(kept, { [name]: '•••', list: [{ id: 7, [name]: '•••' }] });
      }
    }
    assert.deepEqual(keptOf({ passwordIsSet: true, token: null }, none), { passwordIsSet: true, token: null });
  });

  it('shows no text that holds a secret with its name', () => {
    const texts = [
      `https://example.com/a.bin?token=${secret}`,
      `https://example.com/a.bin?access_token=${secret}&x=1`,
      `https://me:${secret}@example.com/`,
      `next=%2Fa%3Ftoken%3D${secret}`,
      `{"password":"${secret}"}`,
      `{ "apiKey" : "${secret}" }`,
      JSON.stringify({ body: JSON.stringify({ secret }) }),
      `Authorization: ${secret}`,
      `Bearer ${secret}`,
      `a=1&auth=${secret}`,
    ];
    for (const text of texts)
      assert.deepEqual(keptOf({ text, deep: [{ text }] }, none), { text: '•••', deep: [{ text: '•••' }] });
    const plain = [
      'https://example.com/a.bin?v=2',
      'the key is under the mat',
      'token expired',
      '12:30',
      'a@b',
      'x://y',
    ];
    for (const text of plain) assert.deepEqual(keptOf({ text }, none), { text });
  });

  it('holds no copy of a patch, however it is written', () => {
    const copies = [content, structuredClone(content), JSON.stringify(content), JSON.stringify(content, undefined, 2)];
    for (const copy of [...copies, { ...content, settings: { ...content.settings } }]) {
      assert.deepEqual(keptOf({ topic: 't', copy, before: { id: 7, copy } }, patch), { topic: 't', before: { id: 7 } });
      assert.deepEqual(keptOf({ list: [1, copy] }, patch), { list: [1, null] });
    }
    const payload = JSON.stringify(content);
    const text = { ...patch, payload };
    assert.deepEqual(keptOf({ copy: `received: ${payload}`, other: structuredClone(content) }, text), {});
  });

  it('shows no secret of a patch under any other name', () => {
    const msg = {
      word: secret,
      said: `say ${secret}!`,
      number: 4711,
      colour: 'ultramarine',
      part: { ...content.settings },
    };
    assert.deepEqual(keptOf(msg, patch), {
      word: '•••',
      said: '•••',
      number: '•••',
      colour: 'ultramarine',
      part: { wakeWord: '•••', pin: '•••', colour: 'ultramarine' },
    });
  });

  it('holds no copy of a firmware, as bytes or as text', () => {
    const base64 = image.toString('base64');
    const copies = [image, Uint8Array.from(image), base64, `data:;base64,${base64}`, image.toString('hex')];
    for (const copy of [...copies, image.toString('latin1'), JSON.stringify(image)]) {
      assert.deepEqual(keptOf({ topic: 't', copy }, none), { topic: 't' });
      assert.deepEqual(keptOf({ topic: 't', copy: base64 }, { payload: base64 }), { topic: 't' });
    }
  });

  it('is plain JSON that can be read again, up to 64 KiB', () => {
    const circular: Record<string, unknown> = {};
    circular['self'] = circular;
    const deep: unknown = JSON.parse(`${'['.repeat(3000)}${']'.repeat(3000)}`);
    const kept = keptOf({ circular, run: () => 1, long: 'x'.repeat(70_000), bytes: { a: Buffer.from('a') } }, none);
    assert.deepEqual(kept, {});
    assert.ok(JSON.stringify(keptOf({ deep }, none)).length < 1000);
    const many = Object.fromEntries(Array.from({ length: 50 }, (_, index) => [`p${index}`, 'x'.repeat(10_000)]));
    assert.equal(Object.keys(keptOf(many, none)).length, 6);
  });

  it('is found in a time that grows with the message only', () => {
    for (const text of ['key'.repeat(21_000), '://'.repeat(21_000), 'basic '.repeat(10_000), '://a:'.repeat(13_000)]) {
      assert.ok(leastTime(() => keptOf({ text }, patch)) < 1000, text.slice(0, 10));
    }
  });
});
