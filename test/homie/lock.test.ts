import assert from 'node:assert/strict';
import type { Device, DeviceEvent, DeviceState } from '../../src/homie/device';
import { moment } from '../../src/homie/elapsed';
import { DeviceLocks } from '../../src/homie/lock';
import { type PendingReboot } from '../../src/homie/lock-table';
import { resetLocks } from '../support/locks';

const MINUTE = 60_000;
const MAC = '5C:CF:7F:00:00:01';

function state(value: DeviceState, live = true): DeviceEvent {
  return { attribute: 'state', value, live, at: performance.now() };
}

function uptime(value: number, at = performance.now(), live = true): DeviceEvent {
  return { attribute: 'uptime', value, live, at };
}

/** A device that sends its uptime, or none. */
function device(id: string, { mac, up }: { mac?: string; up?: number } = {}): Device {
  const fact = <T>(value: T) => ({ value, live: true, at: performance.now() });
  return {
    id,
    state: fact('ready' as const),
    ...(mac !== undefined && { mac: fact(mac) }),
    ...(up !== undefined && { uptime: fact(up) }),
  };
}

function locksOf(url: string, baseTopic: string, ...devices: Device[]): DeviceLocks {
  return new DeviceLocks(url, baseTopic, (id) => devices.find((each) => each.id === id));
}

describe('The lock of a device', () => {
  let locks: DeviceLocks;

  beforeEach(() => {
    resetLocks();
    locks = locksOf('mqtt://broker', 'homie/', device('lamp', { up: 3000 }), device('plug', { up: 3000 }));
  });
  after(() => resetLocks());

  it('is not changed by what a device of another broker shows late, under the same base topic and id', async () => {
    const house = locksOf('mqtt://house', 'homie/', device('lamp', { mac: MAC, up: 3000 }));
    const shed = locksOf('mqtt://shed', 'homie/', device('lamp', { mac: '5C:CF:7F:00:00:02', up: 3000 }));
    for (const each of [shed, house]) {
      each.acquire('lamp', 'job');
      await each.expectReboot('lamp', 'image');
      if (each === shed) each.release('lamp', 'job');
    }
    await shed.rebootedLate('lamp');
    assert.deepEqual([house.pending('lamp'), shed.pending('lamp')], ['image', undefined]);
    await house.rebootedLate('lamp');
    assert.equal(house.pending('lamp'), 'image', 'its job has it');
  });

  it('is given to one job at a time', () => {
    locks.acquire('lamp', 'first');
    assert.throws(() => locks.acquire('lamp', 'second'), { code: 'DEVICE_BUSY' });
    assert.equal(locks.holder('lamp'), 'first');
    locks.acquire('plug', 'second');
    locks.release('lamp', 'first');
    locks.acquire('lamp', 'second');
    assert.equal(locks.holder('lamp'), 'second');
  });

  it('is not released by a job that does not hold it', () => {
    locks.acquire('lamp', 'first');
    locks.release('lamp', 'second');
    assert.equal(locks.holder('lamp'), 'first');
  });

  it('is released, and its reboot stays pending, when another device has its id by then', async () => {
    const first = device('lamp', { mac: '5C:CF:7F:00:00:01', up: 3000 });
    const other = device('lamp', { mac: '5C:CF:7F:00:00:02', up: 3000 });
    let present = first;
    const changing = new DeviceLocks('mqtt://broker', 'homie/', () => present);
    changing.acquire('lamp', 'job');
    await changing.expectReboot('lamp', 'image');
    present = other;
    assert.equal(changing.isRebootPending('lamp'), false);
    changing.release('lamp', 'job');
    present = first;
    assert.equal(changing.holder('lamp'), undefined);
    assert.equal(changing.isRebootPending('lamp'), true);
  });

  it('holds across all names of a broker where the MAC address is the same, or not known', () => {
    const mac = '5C:CF:7F:00:00:01';
    locksOf('mqtt://127.0.0.1', 'homie/', device('lamp', { mac })).acquire('lamp', 'first');
    const others = [
      locksOf('mqtt://home-server.local', 'homie/', device('lamp', { mac })),
      locksOf('mqtt://home-server.local', 'homie/', device('lamp')),
    ];
    for (const other of others) assert.throws(() => other.acquire('lamp', 'second'), { code: 'DEVICE_BUSY' });
    const another = locksOf('mqtt://other-home', 'homie/', device('lamp', { mac: '5C:CF:7F:00:00:02' }));
    another.acquire('lamp', 'second');
    assert.equal(another.holder('lamp'), 'second');
  });

  it('goes with a device to another id and base topic, where it is gone from the old ones', async () => {
    const lamp = device('lamp', { mac: MAC, up: 3000 });
    let old: Device | undefined = lamp;
    const left = new DeviceLocks('mqtt://broker', 'homie/', () => old);
    left.acquire('lamp', 'first');
    await left.expectReboot('lamp', 'patch');
    const moved = locksOf('mqtt://broker', 'other/', device('lantern', { mac: MAC }));
    const away = (value: 'lost' | 'disconnected'): Device => ({ ...lamp, state: { value, live: true, at: 0 } });
    for (old of [away('lost'), away('disconnected'), undefined])
      assert.throws(() => moved.acquire('lantern', 'second'), { code: 'DEVICE_BUSY' });
    left.release('lamp', 'first');
    moved.observe('lantern', uptime(2));
    assert.equal(left.isRebootPending('lamp'), false);
  });

  it('is neither taken nor freed by another device that claims the same MAC address', async () => {
    for (const [base, id] of [
      ['homie/', 'thief'],
      ['other/', 'lamp'],
    ] as const) {
      resetLocks();
      const lamp = locksOf('mqtt://broker', 'homie/', device('lamp', { mac: MAC, up: 3000 }));
      const thief = locksOf('mqtt://broker', base, device(id, { mac: MAC, up: 9000 }));
      thief.acquire(id, 'first');
      await thief.expectReboot(id, 'image');
      lamp.acquire('lamp', 'second');
      await lamp.expectReboot('lamp', 'image');
      lamp.release('lamp', 'second');
      thief.release(id, 'first');
      thief.observe(id, uptime(0));
      assert.deepEqual([thief.isRebootPending(id), lamp.isRebootPending('lamp')], [false, true]);
      thief.observe(id, uptime(0));
      assert.equal(lamp.isRebootPending('lamp'), true);
      lamp.observe('lamp', uptime(0));
      assert.equal(lamp.isRebootPending('lamp'), false);
    }
  });

  it('is found at another place when nothing follows the old one any more', async () => {
    const left = locksOf('mqtt://broker', 'homie/', device('lamp', { mac: MAC, up: 3000 }));
    await left.expectReboot('lamp', 'image');
    left.close();
    const moved = locksOf('mqtt://broker', 'other/', device('lantern', { mac: MAC }));
    assert.throws(() => moved.acquire('lantern', 'job'), { code: 'REBOOT_PENDING' });
    moved.observe('lantern', uptime(2));
    moved.acquire('lantern', 'job');
  });

  it('learns the MAC address of a device later', () => {
    const mac = '5C:CF:7F:00:00:01';
    locks.acquire('lamp', 'first');
    const later = locksOf('mqtt://broker', 'homie/', device('lamp', { mac }));
    assert.throws(() => later.acquire('lamp', 'second'), { code: 'DEVICE_BUSY' });
    for (const each of [locks, later]) each.close();
    const moved = locksOf('mqtt://broker', 'other/', device('lantern', { mac }));
    assert.throws(() => moved.acquire('lantern', 'second'), { code: 'DEVICE_BUSY' });
  });

  it('is released by its job also where another device has answered under the id since', async () => {
    let mac = '5C:CF:7F:00:00:01';
    const changing = new DeviceLocks('mqtt://broker', 'homie/', (id) => device(id, { mac, up: 3000 }));
    changing.acquire('lamp', 'first');
    await changing.expectReboot('lamp', 'image');
    mac = '5C:CF:7F:00:00:02';
    changing.release('lamp', 'first');
    changing.acquire('lamp', 'second');
    changing.release('lamp', 'second');
    mac = '5C:CF:7F:00:00:01';
    assert.equal(changing.holder('lamp'), undefined);
    assert.equal(changing.isRebootPending('lamp'), true);
  });

  it('stays, beyond the end of the job, while a reboot may be pending', async () => {
    locks.acquire('lamp', 'first');
    await locks.expectReboot('lamp', 'image');
    assert.equal(locks.holder('lamp'), 'first');
    locks.release('lamp', 'first');
    assert.equal(locks.holder('lamp'), undefined);
    assert.equal(locks.isRebootPending('lamp'), true);
    assert.throws(() => locks.acquire('lamp', 'second'), { code: 'REBOOT_PENDING' });
    await locks.rebooted('lamp');
    locks.acquire('lamp', 'second');
  });

  it('lets a corrected patch through where only a patch may be pending, but no image', async () => {
    await locks.expectReboot('lamp', 'patch');
    assert.throws(() => locks.acquire('lamp', 'job', 'image'), { code: 'REBOOT_PENDING', message: /configuration/ });
    locks.acquire('lamp', 'job', 'patch');
    locks.release('lamp', 'job');
    await locks.expectReboot('plug', 'image');
    assert.throws(() => locks.acquire('plug', 'job', 'patch'), { code: 'REBOOT_PENDING', message: /image/ });
  });

  it('outlasts a publish that nobody watches any more, and stays until the device restarts after it', async () => {
    let cut = (): void => undefined;
    const publish = new Promise<never>((_, reject) => (cut = () => reject(new Error('cut'))));
    locks.acquire('lamp', 'first');
    await locks.expectReboot('lamp', 'image');
    locks.orphaned('lamp', publish);
    locks.release('lamp', 'first');
    locks.observe('lamp', uptime(0));
    assert.throws(() => locks.acquire('lamp', 'second'), { code: 'REBOOT_PENDING' });
    cut();
    await locks.unorphaned('lamp');
    assert.throws(() => locks.acquire('lamp', 'second'), { code: 'REBOOT_PENDING' });
    locks.observe('lamp', uptime(0));
    locks.acquire('lamp', 'second');
  });

  it('is not freed by a mere reconnect, nor by statistics, but by an uptime that shows the restart', async () => {
    await locks.expectReboot('lamp', 'image');
    const now = performance.now();
    for (const event of [
      ...(['init', 'ready', 'lost', 'sleeping'] as const).map((each) => state(each)),
      uptime(3120, now + 2 * MINUTE),
      uptime(60, now + 2 * MINUTE, false),
    ]) {
      locks.observe('lamp', event);
      assert.equal(locks.isRebootPending('lamp'), true);
    }
    locks.observe('plug', uptime(0));
    assert.equal(locks.isRebootPending('lamp'), true);
    locks.observe('lamp', uptime(60, now + 2 * MINUTE));
    assert.equal(locks.isRebootPending('lamp'), false);
  });

  it('is freed by the next connect of a device that sends no statistics', async () => {
    const silent = locksOf('mqtt://broker', 'silent/', device('lamp'));
    await silent.expectReboot('lamp', 'image');
    silent.observe('lamp', state('init', false));
    assert.equal(silent.isRebootPending('lamp'), true);
    silent.observe('lamp', state('init'));
    assert.equal(silent.isRebootPending('lamp'), false);
  });

  it('is freed by any live uptime when the device gave no sign of a patch, but not of an image', async () => {
    for (const [id, what] of [
      ['lamp', 'patch'],
      ['plug', 'image'],
    ] as const) {
      await locks.expectReboot(id, what);
      await locks.left(id, 'unheard');
      locks.observe(id, uptime(3000, performance.now(), false));
      assert.equal(locks.isRebootPending(id), true);
      locks.observe(id, uptime(3000));
    }
    assert.equal(locks.isRebootPending('lamp'), false);
    assert.equal(locks.isRebootPending('plug'), true);
  });

  it('is not freed by what came before, nor while a job has the device, which judges for itself', async () => {
    const before = uptime(0);
    await locks.expectReboot('lamp', 'image');
    locks.observe('lamp', { ...before, at: before.at - 20 });
    assert.equal(locks.isRebootPending('lamp'), true);
    locks.takeUp('lamp', 'first');
    locks.observe('lamp', uptime(0));
    assert.equal(locks.isRebootPending('lamp'), true);
  });

  it('is not freed by what another connection to the broker delivers late', async () => {
    const sentFrom = (from: number): DeviceEvent => {
      return { attribute: 'uptime', value: 0, live: true, at: performance.now(), from };
    };
    const before = performance.now() - 20;
    await locks.expectReboot('lamp', 'image');
    locks.observe('lamp', sentFrom(before));
    assert.equal(locks.isRebootPending('lamp'), true);
    locks.observe('lamp', sentFrom(performance.now()));
    assert.equal(locks.isRebootPending('lamp'), false);
  });

  it('is written down when something may be pending, and when nothing is any more', async () => {
    const written = new Map<string, PendingReboot>();
    const end = DeviceLocks.keep(async (key, pending) => {
      if (pending === undefined) written.delete(key);
      else written.set(key, pending);
    });
    await locks.expectReboot('lamp', 'image');
    assert.deepEqual(
      [...written.values()].map(({ address, what, statistics }) => ({ address, what, statistics })),
      [{ address: 'homie/lamp', what: 'image', statistics: true }],
    );
    await locks.rebooted('lamp');
    assert.equal(written.size, 0);
    end();
    await locks.expectReboot('lamp', 'image');
    assert.equal(written.size, 0);
  });

  it('is held in a later process by what was written down, until the device restarts', () => {
    const pending = {
      address: 'homie/lamp',
      what: 'image',
      at: moment(),
      up: 3000,
      upAt: moment(),
      statistics: true,
    } as const;
    DeviceLocks.keep(async () => undefined, [pending]);
    assert.throws(() => locks.acquire('lamp', 'job'), { code: 'REBOOT_PENDING' });
    locks.observe('lamp', uptime(3010));
    assert.throws(() => locks.acquire('lamp', 'job'), { code: 'REBOOT_PENDING' });
    locks.observe('lamp', uptime(2));
    locks.acquire('lamp', 'job');
  });
});
