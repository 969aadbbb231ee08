import assert from 'node:assert/strict';
import { readChoice, type DeviceSetting } from '../../nodes/homie-ota/ota-request';
import { readAction as read, readDevices } from '../../nodes/shared/request';

const readAction = (value: unknown) => read(value, ['update', 'check', 'cancel', 'status']);
const own = (value: unknown): DeviceSetting => ({ devices: () => Promise.resolve(value) });
const all: DeviceSetting = { runningThisFirmware: true };

describe('what a message asks homie-ota for', () => {
  it('is an update unless it says otherwise', () => {
    assert.equal(readAction(undefined), 'update');
    assert.equal(readAction(''), 'update');
    assert.equal(readAction('check'), 'check');
    assert.equal(readAction('cancel'), 'cancel');
    assert.equal(readAction('status'), 'status');
  });

  it('is refused with the list of the known actions when it is none of them', () => {
    for (const action of ['pause', 'Update', 1, {}, ['update']]) {
      assert.throws(() => readAction(action), { code: 'UNKNOWN_ACTION', message: /update, check, cancel, status\.$/ });
    }
  });
});

describe('the devices that a message means', () => {
  it('are those of the message before those of the node', async () => {
    assert.deepEqual(await readChoice({ device: 'b' }, own('a')), { devices: ['b'] });
    assert.deepEqual(await readChoice({ device: ['b', 'c'] }, all), { devices: ['b', 'c'] });
    assert.deepEqual(await readChoice({}, own('a')), { devices: ['a'] });
    assert.deepEqual(await readChoice({ device: null }, own('a')), { devices: ['a'] });
  });

  it('may be several in one text, each counts once', () => {
    assert.deepEqual(readDevices(' a, b ,a,,'), ['a', 'b']);
    assert.deepEqual(readDevices(['a', ' b', 'a']), ['a', 'b']);
  });

  it('are all that run the firmware only where that is said', async () => {
    assert.deepEqual(await readChoice({}, all), all);
    assert.deepEqual(await readChoice({ matchFirmware: true }, own('a')), all);
    assert.deepEqual(await readChoice({ matchFirmware: 'true' }, own('a')), all);
    assert.deepEqual(await readChoice({ matchFirmware: false }, own('a')), { devices: ['a'] });
  });

  it('are none where nothing is named: an empty value never means all', async () => {
    for (const device of ['', ' ', ',', [], [''], [null]]) {
      await assert.rejects(readChoice({ device }, all), { code: 'NO_DEVICE' });
      await assert.rejects(readChoice({}, own(device)), { code: 'NO_DEVICE' });
    }
    await assert.rejects(readChoice({}, own(undefined)), { code: 'NO_DEVICE' });
    await assert.rejects(readChoice({ matchFirmware: false }, all), { code: 'NO_DEVICE' });
  });

  it('are refused where they are no text, or contradict', async () => {
    await assert.rejects(readChoice({ device: 7 }, all), { code: 'INVALID_DEVICE_ID', message: /a number/ });
    await assert.rejects(readChoice({ device: ['a', {}] }, all), { code: 'INVALID_DEVICE_ID', message: /an? object/ });
    await assert.rejects(readChoice({ device: 'a', matchFirmware: true }, all), { code: 'INVALID_SETTING' });
    await assert.rejects(readChoice({ matchFirmware: 'yes' }, all), { code: 'INVALID_SETTING' });
  });
});
