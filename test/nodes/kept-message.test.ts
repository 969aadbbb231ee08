import assert from 'node:assert/strict';
import fc from 'fast-check';
import { keptOf, type Unkept } from '../../nodes/shared/kept-message';
import { leastTime } from '../support/least-time';

const secret = 'open-sesame-4711';
const image = Buffer.alloc(1000, 0xe9);
const none: Unkept = { payload: image };

/** A patch whose secret has a name that only the user knows to be secret. */
const content = { name: 'Hall', settings: { wakeWord: secret, pin: 4711, colour: 'ultramarine' } };
const patch: Unkept = { payload: content, patch: { content, secretNames: ['wake', 'pin'] } };

/** Returns JSON in JSON, nested `times` times. */
function inText(value: unknown, times: number): string {
  let text = JSON.stringify(value);
  for (let time = 1; time < times; time += 1) text = JSON.stringify(text);
  return text;
}

describe('what is written down of a message', () => {
  it('is what a flow recognizes it by', () => {
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
      `q=${encodeURIComponent(JSON.stringify({ token: secret }))}`,
      inText({ secret }, 7),
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

  it('holds no secret in the name of a property, and no more than 64 KiB where the mask is longer than the secret', () => {
    assert.deepEqual(keptOf({ [`{"password":"${secret}"}`]: '', deep: { [`say ${secret}`]: 1 } }, patch), { deep: {} });
    const short: Unkept = { payload: {}, patch: { content: { settings: { pin: 7 } }, secretNames: ['pin'] } };
    const kept = keptOf({ numbers: Array.from({ length: 30_000 }, () => 7), more: '\0'.repeat(9000) }, short);
    assert.deepEqual(Object.keys(kept), ['more']);
  });

  it('holds no secret by its name, whatever the message is, and is plain JSON of 64 KiB at most', () => {
    let masked = 0;
    fc.assert(
      fc.property(hostileMessage, fc.constantFrom(none, patch), (msg, unkept) => {
        const kept = keptOf(msg, unkept);
        const text = JSON.stringify(kept);
        assert.ok(!text.includes(secret), text.slice(0, 2000));
        assert.ok(text.length <= 65_536 + 2);
        assert.deepEqual(JSON.parse(text), kept);
        if (text.includes('•••')) masked += 1;
      }),
      { numRuns: 1000 },
    );
    assert.ok(masked > 100, String(masked));
  });

  it('is found in a time that grows with the message only', () => {
    for (const text of [
      'key'.repeat(21_000),
      '://'.repeat(21_000),
      'basic '.repeat(10_000),
      '://a:'.repeat(13_000),
      '\\":'.repeat(21_000),
    ]) {
      assert.ok(leastTime(() => keptOf({ text }, patch)) < 1000, text.slice(0, 10));
    }
  });
});

const parts = ['password', 'SECRET', 'Token', 'apiKey', 'Authorization', 'set-cookie', 'credentials', 'passphrase'];
const secretName = fc.oneof(
  fc
    .tuple(fc.constantFrom('', 'x_', 'my-', '__proto__'), fc.constantFrom(...parts), fc.constantFrom('', '1', 'Of'))
    .map((all) => all.join('')),
  fc.constantFrom('auth', 'PASS', 'psk', 'Pwd', 'session', 'sessionId', 'sid'),
);
const plainName = fc.constantFrom('a', 'topic', 'list', '__proto__', 'constructor', 'toJSON', 'length', '', '0', 'ä');
const leaf = fc.oneof(
  fc.constantFrom(null, true, 0, -0, Infinity, 4711, '', 'x', '\ud800', '7\0', '"', undefined),
  fc.string(),
);

/** Values that contain the secret, without a name that reveals it. */
const secretValue = fc.letrec<{ value: unknown }>((tie) => ({
  value: fc.oneof(
    { maxDepth: 3 },
    fc.string({ maxLength: 5 }).map((text) => `${text}${secret}${text}`),
    fc.array(tie('value'), { maxLength: 3 }),
    fc.dictionary(plainName, tie('value'), { maxKeys: 3 }),
  ),
})).value;

const secretEntry = fc.tuple(secretName, secretValue);

/** Texts that contain the secret with its name. */
const secretInText = fc.oneof(
  fc
    .tuple(secretEntry, fc.integer({ min: 1, max: 7 }))
    .map(([entry, times]) => inText(Object.fromEntries([entry]), times)),
  secretName.map((name) => `https://example.com/?a=1&${name}=${secret}`),
  fc.constantFrom(`Bearer ${secret}`, `https://me:${secret}@example.com/`, `Authorization: ${secret}`),
);

const tree = fc.letrec<{ tree: unknown }>((tie) => ({
  tree: fc.oneof(
    { maxDepth: 5 },
    leaf,
    secretInText,
    fc.array(tie('tree'), { maxLength: 4 }),
    fc
      .array(fc.oneof(secretEntry, fc.tuple(plainName, tie('tree'))), { maxLength: 4 })
      .map((entries) => Object.fromEntries(entries)),
    fc.array(secretEntry, { maxLength: 2 }).map((entries) => new Map(entries)),
    fc.tuple(tie('tree')).map(([value]) => ({ toJSON: () => value })),
  ),
})).tree;

/** Values that no flow should send: cycles, getters and proxies that throw, functions, deep nesting, large sizes. */
const odd = fc.oneof(
  tree.map((value) => {
    const circle: unknown[] = [value];
    circle.push({ circle });
    return circle;
  }),
  fc.constantFrom(
    {
      get a() {
        throw new Error(secret);
      },
    },
    {
      toJSON() {
        throw new Error(secret);
      },
    },
    new Proxy(
      {},
      {
        ownKeys() {
          throw new Error(secret);
        },
      },
    ),
    () => secret,
    Symbol(secret),
    7n,
    new Date(Number.NaN),
    Buffer.from(secret),
    new Error(secret),
    'x'.repeat(70_000),
    '\0'.repeat(60_000),
    Array.from({ length: 20_000 }, () => 4711),
  ),
  fc.tuple(tree, fc.constantFrom(50, 98, 101, 1000, 20_000), fc.boolean()).map(([value, depth, isList]) => {
    let nested = value;
    for (let level = 0; level < depth; level += 1) nested = isList ? [nested] : { a: nested };
    return nested;
  }),
);

const hostileMessage = fc
  .array(fc.oneof(secretEntry, fc.tuple(fc.oneof(plainName, secretInText), fc.oneof(tree, odd))), { maxLength: 6 })
  .chain((entries) =>
    fc.boolean().map((throws) => {
      const msg: Record<string, unknown> = Object.fromEntries(entries);
      if (throws)
        Object.defineProperty(msg, 'getter', {
          enumerable: true,
          get: () => {
            throw new Error(secret);
          },
        });
      return msg;
    }),
  );
