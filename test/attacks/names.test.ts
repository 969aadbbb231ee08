import assert from 'node:assert/strict';
import fc from 'fast-check';
import { readRecord } from '../../src/rollout/work';
import { checkPatch } from '../../src/config/check';
import { mergePatch, readPatch } from '../../src/config/patch';
import { maskObject } from '../../src/config/secrets';
import { readPattern } from '../../src/homie/pattern';
import { isDeviceId } from '../../src/homie/device-id';
import { firmwareTopic, normalizeBaseTopic } from '../../src/homie/topics';
import { otaDefaults, readOtaSettings } from '../../src/ota/settings';
import { History } from '../../src/rollout/store/history';
import { evil, hostileNames, pollutes } from './hostile';
import { anyText } from '../support/any-text';

const md5 = 'd41d8cd98f00b204e9800998ecf8427e';
const names = fc.oneof(fc.constantFrom(...hostileNames), anyText({ maxLength: 80 }));

describe('A name that somebody has chosen', () => {
  it('is one level of a topic, or refused as a device', () => {
    fc.assert(
      fc.property(names, (id) => {
        if (!isDeviceId(id)) return;
        const levels = `homie/${id}`.split('/');
        assert.deepEqual(levels, ['homie', id]);
        assert.doesNotMatch(id, /[+#*\s\p{Cc}\p{Cs}]|^\$/u);
        if (Buffer.byteLength(id) > 40) return;
        assert.equal(firmwareTopic('homie/', id, md5).split('/').length, 6);
      }),
      { numRuns: 1000 },
    );
  });

  it('is never more than the devices that it says', () => {
    for (const id of hostileNames.filter((name) => !isDeviceId(name))) {
      assert.throws(() => readPattern(id), { code: 'INVALID_DEVICE_ID' }, id.slice(0, 20));
      assert.throws(() => readPattern(`${id}/*`), { code: 'INVALID_DEVICE_ID' }, id.slice(0, 20));
    }
  });

  it('makes a base topic without wildcards, or none', () => {
    fc.assert(
      fc.property(names, (name) => {
        let topic;
        try {
          topic = normalizeBaseTopic(name);
        } catch (error) {
          assert.equal(Reflect.get(Object(error), 'code'), 'INVALID_BASE_TOPIC');
          return;
        }
        assert.match(topic, /^[^$+#\p{Cc}][^+#\p{Cc}]*\/$|^\/$/u);
      }),
      { numRuns: 1000 },
    );
  });

  it('changes no prototype, as a property of a patch, a job or a device', () => {
    const msg: Record<string, unknown> = Object(evil);
    readOtaSettings(otaDefaults, msg);
    readRecord({ order: { identity: 'x', ...msg }, msg, work: msg });
    const patch = readPatch(evil);
    const merged = mergePatch(patch, mergePatch(readPatch({}), patch));
    assert.ok(Object.hasOwn(merged, '__proto__'));
    maskObject(merged);
    checkPatch({ config: JSON.stringify(evil), patch: evil, otherDeviceIds: hostileNames, force: true });
    const history = new History();
    for (const name of hostileNames) history.restore(name, msg);
    assert.deepEqual(history.lastResults('constructor'), []);
    assert.ok(!pollutes());
  });
});
