import assert from 'node:assert/strict';
import fc from 'fast-check';
import { HomieError } from '../../src/errors';
import { errors } from '../../src/texts/en-US.json';
import { parseStatus } from '../../src/ota/status';

describe('parseStatus', () => {
  it('reads the steps of a transfer that goes well', () => {
    assert.deepEqual(parseStatus('202'), { kind: 'accepted', text: '202' });
    assert.deepEqual(parseStatus('206 45176/310000'), {
      kind: 'progress',
      text: '206 45176/310000',
      written: 45176,
      total: 310000,
    });
    assert.deepEqual(parseStatus('200'), { kind: 'flashed', text: '200' });
  });

  it('tells an unchanged and a disabled device from a refusal', () => {
    assert.equal(parseStatus('304')?.kind, 'unchanged');
    assert.equal(parseStatus('403')?.kind, 'disabled');
  });

  const refusals: [status: string, code: string][] = [
    ['400 BAD_CHECKSUM', 'BAD_CHECKSUM'],
    ['400 BAD_CHECKSUM 7 END', 'BAD_CHECKSUM'],
    ['400 BAD_FIRMWARE', 'BAD_FIRMWARE'],
    ['400 NOT_ENOUGH_SPACE', 'NOT_ENOUGH_SPACE'],
    ['400 NOT_REQUESTED', 'TRANSFER_REFUSED'],
    ['400 BAD_CHUNK', 'TRANSFER_REFUSED'],
    ['400 SIZE_CHANGED', 'TRANSFER_REFUSED'],
    ['400 OUT_OF_SEQUENCE', 'TRANSFER_REFUSED'],
    ['400 RETAINED_FIRMWARE', 'RETAINED_FIRMWARE'],
    ['408 TIMEOUT', 'DEVICE_TIMEOUT'],
    ['408', 'DEVICE_TIMEOUT'],
    ['500 FLASH_ERROR', 'FLASH_ERROR'],
    ['500 INTERNAL_ERROR 8', 'INTERNAL_ERROR'],
    ['500 OUT_OF_MEMORY', 'DEVICE_OUT_OF_MEMORY'],
    ['500 DISCONNECTED', 'TRANSFER_REFUSED'],
    ['503 UPDATE_BUSY', 'DEVICE_UPDATE_BUSY'],
    ['503 BUSY', 'DEVICE_UPDATE_BUSY'],
    ['503 REBOOT_PENDING', 'DEVICE_REBOOT_PENDING'],
    ['503', 'DEVICE_UPDATE_BUSY'],
    ['418 TEAPOT', 'UNKNOWN_STATUS'],
    ['500 constructor', 'UNKNOWN_STATUS'],
  ];
  for (const [text, code] of refusals) {
    it(`takes "${text}" for ${code} and keeps its text`, () => {
      const status = parseStatus(text);
      assert.ok(status?.kind === 'refused');
      assert.equal(status.code, code);
      assert.equal(status.text, text);
    });
  }

  it('finds the updater stuck at INTERNAL_ERROR 0, and at 15 on an ESP8266 only', () => {
    const stuck = (text: string, implementation?: string): unknown => {
      const status = parseStatus(text, implementation);
      return status?.kind === 'refused' && status.stuck;
    };
    assert.equal(stuck('500 INTERNAL_ERROR 0'), true);
    assert.equal(stuck('500 INTERNAL_ERROR 0', 'esp32'), true);
    assert.equal(stuck('500 INTERNAL_ERROR 15'), true);
    assert.equal(stuck('500 INTERNAL_ERROR 15', 'esp32'), false);
    assert.equal(stuck('500 INTERNAL_ERROR 8'), false);
  });

  it('takes no internal error of the maintained fork, which names a phase, for a stuck updater', () => {
    for (const text of ['500 INTERNAL_ERROR 0 BEGIN', '500 INTERNAL_ERROR 15 BEGIN']) {
      const status = parseStatus(text);
      assert.ok(status?.kind === 'refused');
      assert.deepEqual([status.code, status.key, status.stuck], ['INTERNAL_ERROR', undefined, false]);
    }
  });

  it('says what the number of an internal error means on the chip at hand', () => {
    const hint = (implementation: string): string | undefined => {
      const status = parseStatus('500 INTERNAL_ERROR 11', implementation);
      return status?.kind === 'refused' && status.key !== undefined ? new HomieError(status.key).hint : undefined;
    };
    assert.match(hint('esp8266') ?? '', /UART/);
    assert.match(hint('esp32') ?? '', /called the updater incorrectly/);
  });

  it('finds nothing in a number that is the name of what every object has', () => {
    for (const word of ['constructor', 'toString', '__proto__', 'hasOwnProperty']) {
      assert.deepEqual(parseStatus(`500 INTERNAL_ERROR ${word}`), {
        kind: 'refused',
        text: `500 INTERNAL_ERROR ${word}`,
        code: 'INTERNAL_ERROR',
        stuck: false,
      });
      const status = parseStatus(`500 ${word} ${word}`);
      assert.equal(status?.kind === 'refused' && status.code, 'UNKNOWN_STATUS');
    }
  });

  it('takes an unknown number below 400 for a sign of life and nothing more', () => {
    assert.equal(parseStatus('102 PROCESSING')?.kind, 'other');
    assert.equal(parseStatus('206 nonsense')?.kind, 'other');
  });

  it('takes for no status what does not begin with a number', () => {
    assert.equal(parseStatus(''), undefined);
    assert.equal(parseStatus('OK'), undefined);
    assert.equal(parseStatus('20'), undefined);
  });

  it('gives every text a code of the file of texts or none, whatever comes', () => {
    fc.assert(
      fc.property(fc.string(), fc.nat(999), (text, number) => {
        const status = parseStatus(`${number} ${text}`);
        if (status?.kind === 'refused') assert.ok(Object.hasOwn(errors, status.code));
      }),
    );
  });
});
