import assert from 'node:assert/strict';
import { inspect } from 'node:util';
import fc from 'fast-check';
import { checkPatch } from '../../src/config/check';
import { compareConfig } from '../../src/config/compare';
import { MASK, type Json, type JsonObject } from '../../src/config/json';
import { mergePatch, tryReadPatch } from '../../src/config/patch';
import { maskObject } from '../../src/config/secrets';
import { file, json, largePatch, patch } from './arbitraries';
import { publishedText } from './recordings';

const PLANTED = 'hunter2';

describe('masking', () => {
  it('hides the stripped secrets and settings with secret-like names', () => {
    const config = {
      name: 'Lamp',
      wifi: { ssid: 'net', password: PLANTED },
      mqtt: { host: 'h', username: PLANTED, password: PLANTED, ssl_fingerprint: 'ab' },
      settings: { apiToken: 5, MyKey: true, zone: 'hall', nested: { secret: ['a'] } },
    };
    assert.deepEqual(maskObject(config), {
      name: 'Lamp',
      wifi: { ssid: 'net', password: MASK },
      mqtt: { host: 'h', username: MASK, password: MASK, ssl_fingerprint: 'ab' },
      settings: { apiToken: MASK, MyKey: MASK, zone: 'hall', nested: { secret: MASK } },
    });
  });

  it('hides what may be a secret under a key that Homie does not know', () => {
    const misspelt = {
      wifi: { ssid: 'net', Password: PLANTED, ap: { password: PLANTED } },
      mqtt: { password_: PLANTED, port: 1883 },
      ota: { enabled: true, password: PLANTED },
      password: PLANTED,
    };
    assert.deepEqual(maskObject(misspelt), {
      wifi: { ssid: 'net', Password: MASK, ap: { password: MASK } },
      mqtt: { password_: MASK, port: 1883 },
      ota: { enabled: true, password: MASK },
      password: MASK,
    });
  });

  it('takes the names that the user says instead, and still hides the stripped ones', () => {
    const masked = maskObject({ wifi: { password: PLANTED }, settings: { apiToken: 'a', pin: 1234 } }, ['PIN', '']);
    assert.deepEqual(masked, { wifi: { password: MASK }, settings: { apiToken: 'a', pin: MASK } });
  });

  it('leaves a null, which says that a secret is removed', () => {
    assert.deepEqual(maskObject({ wifi: { password: null } }), { wifi: { password: null } });
  });

  it('hides text where an object with secrets belongs', () => {
    assert.deepEqual(maskObject({ wifi: PLANTED, mqtt: [PLANTED] }), { wifi: MASK, mqtt: MASK });
  });

  it('leaks none of the secrets that are planted anywhere in a configuration or a patch', () => {
    fc.assert(
      fc.property(
        file,
        fc.oneof(patch, largePatch),
        fc.boolean(),
        fc.boolean(),
        (content, change, split, allowRisky) => {
          const config = publishedText(JSON.stringify(plant(content)));
          for (const planted of [plant(change), JSON.stringify(plant(change)), `${JSON.stringify(plant(change))},`]) {
            const check = checkPatch({ config, patch: planted, split, allowRisky });
            assertHidden(check);
            for (const step of check.steps) {
              assertHidden(compareConfig(step.before(), step.expected(), config, 'single'));
              assertHidden(compareConfig(step.before(), step.expected(), JSON.stringify({ settings: {} }), 'single'));
            }
          }
        },
      ),
      { numRuns: 500 },
    );
  });

  it('leaks none when any JSON is where a secret belongs', () => {
    fc.assert(
      fc.property(json, (value) => {
        const planted = everywhere([value, PLANTED, { [PLANTED.slice(0, 3)]: PLANTED }]);
        assertHidden(maskObject(planted));
        assertHidden(checkPatch({ config: publishedText(JSON.stringify(planted)), patch: planted }));
        const read = tryReadPatch(planted);
        assert.ok('patch' in read || !JSON.stringify(read).includes(PLANTED));
      }),
    );
  });
});

function everywhere(secret: Json): JsonObject {
  return { wifi: { password: secret }, settings: { token: secret, list: [{ key: secret }] } };
}

function plant(object: JsonObject): JsonObject {
  const secrets = {
    wifi: { password: PLANTED },
    mqtt: { username: PLANTED, password: `${PLANTED}${PLANTED}` },
    settings: { apiToken: PLANTED, list: [{ secret: PLANTED }] },
  };
  return mergePatch(object, secrets);
}

/** Neither as a message would carry it nor as the debug sidebar or a log would show it. */
function assertHidden(value: unknown): void {
  assert.ok(!JSON.stringify(value).includes(PLANTED));
  assert.ok(!inspect(value, { depth: null, showHidden: true }).includes(PLANTED));
}
