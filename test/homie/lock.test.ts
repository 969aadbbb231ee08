import assert from 'node:assert/strict';
import type { DeviceEvent, DeviceState } from '../../src/homie/device';
import { DeviceLocks } from '../../src/homie/lock';

let count = 0;

/** Locks of a broker that no other test has. */
function someLocks(): DeviceLocks {
  return new DeviceLocks(`mqtt://broker-${count++}`, 'homie/');
}

function state(value: DeviceState, live = true): DeviceEvent {
  return { attribute: 'state', value, live, at: performance.now() };
}

function uptime(value: number, at = performance.now(), live = true): DeviceEvent {
  return { attribute: 'uptime', value, live, at };
}

describe('The lock of a device', () => {
  it('is given to one job at a time', () => {
    const locks = someLocks();
    locks.acquire('lamp', 'first');
    assert.throws(() => locks.acquire('lamp', 'second'), { code: 'DEVICE_BUSY' });
    assert.equal(locks.holder('lamp'), 'first');
    locks.acquire('plug', 'second');
    locks.release('lamp', 'first');
    locks.acquire('lamp', 'second');
    assert.equal(locks.holder('lamp'), 'second');
  });

  it('is not released by a job that does not hold it', () => {
    const locks = someLocks();
    locks.acquire('lamp', 'first');
    locks.release('lamp', 'second');
    assert.equal(locks.holder('lamp'), 'first');
  });

  it('holds across connections that mean the same broker', () => {
    const same = ['mqtt://Localhost:1883', 'mqtts://127.0.0.1:8883', 'ws://[::1]:9001/mqtt', 'mqtt://127.1.2.3'];
    new DeviceLocks('mqtt://localhost', 'same/').acquire('lamp', 'first');
    for (const url of same) {
      assert.throws(() => new DeviceLocks(url, 'same/').acquire('lamp', 'second'), { code: 'DEVICE_BUSY' }, url);
    }
    new DeviceLocks('mqtt://localhost', 'other/').acquire('lamp', 'second');
    new DeviceLocks('mqtt://elsewhere', 'same/').acquire('lamp', 'second');
  });

  it('stays, beyond the end of the job, while a reboot may be pending', () => {
    const locks = someLocks();
    locks.acquire('lamp', 'first');
    locks.rebootPending('lamp', 'unknown', performance.now(), true);
    assert.equal(locks.holder('lamp'), 'first');
    locks.release('lamp', 'first');
    assert.equal(locks.holder('lamp'), undefined);
    assert.equal(locks.isRebootPending('lamp'), true);
    assert.throws(() => locks.acquire('lamp', 'second'), { code: 'REBOOT_PENDING' });
  });

  it('outlasts a publish that nobody watches any more, and stays until the device connects after it', async () => {
    const locks = someLocks();
    let cut = (): void => undefined;
    const publish = new Promise<never>((_, reject) => (cut = () => reject(new Error('cut'))));
    locks.acquire('lamp', 'first');
    locks.orphaned('lamp', publish, true);
    locks.release('lamp', 'first');
    locks.observe('lamp', state('init'));
    assert.throws(() => locks.acquire('lamp', 'second'), { code: 'REBOOT_PENDING' });
    cut();
    await locks.unorphaned('lamp');
    assert.throws(() => locks.acquire('lamp', 'second'), { code: 'REBOOT_PENDING' });
    locks.observe('lamp', state('init'));
    locks.acquire('lamp', 'second');
  });

  it('is freed by a live init', () => {
    const locks = someLocks();
    locks.rebootPending('lamp', 'unknown', performance.now(), true);
    for (const event of [state('init', false), state('ready'), state('lost'), state('sleeping')]) {
      locks.observe('lamp', event);
      assert.equal(locks.isRebootPending('lamp'), true);
    }
    locks.observe('plug', state('init'));
    assert.equal(locks.isRebootPending('lamp'), true);
    locks.observe('lamp', state('init'));
    assert.equal(locks.isRebootPending('lamp'), false);
    locks.acquire('lamp', 'second');
  });

  it('is freed by a live uptime that is smaller than the time since then', () => {
    const locks = someLocks();
    locks.rebootPending('lamp', 'unknown', performance.now(), true);
    const now = performance.now();
    locks.observe('lamp', uptime(300, now + 120_000));
    locks.observe('lamp', uptime(60, now + 120_000, false));
    assert.equal(locks.isRebootPending('lamp'), true);
    locks.observe('lamp', uptime(60, now + 120_000));
    assert.equal(locks.isRebootPending('lamp'), false);
  });

  it('is freed by any live uptime when the device gave no sign of an update', () => {
    const locks = someLocks();
    locks.rebootPending('lamp', 'unheard', performance.now(), true);
    locks.observe('lamp', uptime(3000, performance.now(), false));
    assert.equal(locks.isRebootPending('lamp'), true);
    locks.observe('lamp', uptime(3000));
    assert.equal(locks.isRebootPending('lamp'), false);
  });

  it('is not freed by a mere reconnect when there is an image to boot, but by the uptime that shows the reboot', () => {
    const locks = someLocks();
    const since = performance.now();
    locks.rebootPending('lamp', 'flashed', since, true);
    locks.observe('lamp', state('init'));
    locks.observe('lamp', uptime(3000, since + 120_000));
    assert.equal(locks.isRebootPending('lamp'), true);
    locks.observe('lamp', uptime(60, since + 180_000));
    assert.equal(locks.isRebootPending('lamp'), false);
  });

  it('is freed by the next connect of a device that has an image to boot and sends no statistics', () => {
    const locks = someLocks();
    locks.rebootPending('lamp', 'flashed', performance.now(), false);
    locks.observe('lamp', state('init'));
    assert.equal(locks.isRebootPending('lamp'), false);
  });

  it('stays with the job when the reboot has come', () => {
    const locks = someLocks();
    locks.acquire('lamp', 'first');
    locks.rebootPending('lamp', 'unknown', performance.now(), true);
    locks.observe('lamp', state('init'));
    assert.equal(locks.isRebootPending('lamp'), false);
    assert.throws(() => locks.acquire('lamp', 'second'), { code: 'DEVICE_BUSY' });
  });

  it('is not freed by what came before', () => {
    const locks = someLocks();
    const before = state('init');
    locks.rebootPending('lamp', 'unknown', performance.now(), true);
    locks.observe('lamp', { ...before, at: before.at - 1 });
    assert.equal(locks.isRebootPending('lamp'), true);
  });
});
