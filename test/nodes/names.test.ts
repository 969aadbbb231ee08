import assert from 'node:assert/strict';
import { keptOf } from '../../nodes/shared/kept-message';
import { keptProperties } from '../../nodes/shared/replies';
import { readDevices } from '../../nodes/shared/request';
import { readPatch } from '../../src/config/patch';
import { evil, pollutes } from '../attacks/hostile';

describe('A name in a message', () => {
  it('is never more than the devices that it says', () => {
    for (const nothing of ['', ' ', [], [null], [''], ',', undefined, null]) {
      assert.throws(() => readDevices(nothing), { code: 'NO_DEVICE' });
    }
    for (const strange of [[{ toString: () => '*' }], 7, {}, [['*']]]) {
      assert.throws(() => readDevices(strange), { code: 'INVALID_DEVICE_ID' });
    }
  });

  it('changes no prototype', () => {
    const msg: Record<string, unknown> = Object(evil);
    keptProperties({ ...msg, payload: evil });
    const patch = readPatch(evil);
    const kept = keptOf({ ...msg, copy: evil }, { payload: evil, patch: { content: patch, secretNames: ['a'] } });
    assert.ok(!Object.hasOwn(kept, 'copy'));
    assert.ok(Object.hasOwn(keptOf(msg, { payload: evil }), '__proto__'));
    assert.ok(!pollutes());
  });
});
