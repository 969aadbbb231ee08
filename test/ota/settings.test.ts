import assert from 'node:assert/strict';
import { HomieError } from '../../src/errors';
import { otaDefaults, readOtaSettings } from '../../src/ota/settings';

describe('readOtaSettings', () => {
  it('leaves the base as it is where nothing is given', () => {
    assert.deepEqual(readOtaSettings(otaDefaults, { force: undefined, ready: null, stall: '' }), otaDefaults);
  });

  it('reads deadlines in seconds, switches and numbers also as text', () => {
    const settings = readOtaSettings(otaDefaults, {
      force: 'true',
      recoverReboot: false,
      reboot: '86400',
      stall: 1.5,
      attempts: '3',
      encoding: 'base64',
    });
    assert.equal(settings.force, true);
    assert.equal(settings.recoverReboot, false);
    assert.equal(settings.reboot, 86_400_000);
    assert.equal(settings.stall, 1_500);
    assert.equal(settings.attempts, 3);
    assert.equal(settings.encoding, 'base64');
  });

  it('does not look at properties that it does not know', () => {
    assert.deepEqual(readOtaSettings(otaDefaults, { payload: 'x', topic: 1, concurrency: 'many' }), otaDefaults);
  });

  const wrong: [name: string, value: unknown][] = [
    ['force', 'yes'],
    ['allowIncompatible', 1],
    ['attempts', 0],
    ['attempts', 1.5],
    ['attempts', 11],
    ['stall', -1],
    ['ready', 'soon'],
    ['sending', Number.NaN],
    ['accepted', Number.POSITIVE_INFINITY],
    ['encoding', 'hex'],
    ['reboot', {}],
  ];
  for (const [name, value] of wrong) {
    it(`refuses ${name} = ${String(value)} and names the property`, () => {
      assert.throws(
        () => readOtaSettings(otaDefaults, { [name]: value }),
        (error) => error instanceof HomieError && error.code === 'INVALID_SETTING' && error.message.startsWith(name),
      );
    });
  }
});
