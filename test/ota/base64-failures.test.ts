import assert from 'node:assert/strict';
import { HomieError } from '../../src/errors';
import { HomieBroker } from '../../src/homie/broker';
import { hasFailedWithBase64, rememberBase64 } from '../../src/ota/base64-failures';
import type { ErrorKey } from '../../src/texts/text';

describe('a device that was sent an image as base64', () => {
  const broker = new HomieBroker({ url: 'mqtt://127.0.0.1:1', protocolVersion: 5, baseTopic: 'base64-failures/' });

  for (const [key, hasFailed] of [
    ['NOT_ACCEPTED', true],
    ['NOT_ACCEPTED.noSubscriber', false],
    ['CONNECTION_LOST', false],
  ] as const satisfies readonly (readonly [ErrorKey, boolean])[]) {
    it(`${hasFailed ? 'never gets it so again' : 'may get it so again'} after ${key}`, () => {
      const error = new HomieError(key);
      rememberBase64(broker, `unseen-${key}`, { kind: 'unseen', error, answer: undefined, again: false });
      rememberBase64(broker, `ended-${key}`, { kind: 'ended', outcome: { state: 'failed', error }, open: undefined });
      assert.deepEqual(
        ['unseen', 'ended'].map((each) => hasFailedWithBase64(broker, `${each}-${key}`)),
        [hasFailed, hasFailed],
      );
    });
  }
});
