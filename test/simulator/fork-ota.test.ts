import assert from 'node:assert/strict';
import { buildEsp32Image, buildEsp8266Image } from '../support/images';
import { DIALECTS, type DialectName } from './dialects';
import { Esp32Updater } from './esp32-updater';
import { Flash } from './flash';
import type { OtaHost, Part, Receipt } from './ota';
import { StatusSlot } from './status-slot';
import { Esp8266Updater } from './updater';
import { md5 } from '../support/md5';

const image = buildEsp8266Image({ size: 60_000 });
const RUNNING = md5(Buffer.from('running'));
const ZERO = Buffer.alloc(1);

/** Firmware that has no loop between two statuses and none that waits for it: each status is seen. */
function receipt(dialect: DialectName, { core = 2, ...changes }: Partial<OtaHost> & { core?: 2 | 3 } = {}) {
  const statuses: string[] = [];
  const chip = {
    flash: new Flash(() => ({})),
    chipSize: 4 << 20,
    updateEnd: 3 << 20,
    freeSpace: undefined,
    sketchSize: 300_000,
    flashMode: 2,
    flashConfig: 0x40,
  };
  const implementation = changes.implementation ?? 'esp8266';
  const updater = implementation === 'esp32' ? new Esp32Updater(chip, core) : new Esp8266Updater(chip, core);
  const host: OtaHost = {
    enabled: true,
    checksum: RUNNING,
    implementation,
    homie: 3,
    updater,
    status: (text) => statuses.push(text),
    rebootWaits: () => ota.finished,
    ...changes,
  };
  const ota: Receipt = DIALECTS[dialect].receipt(host);
  /** Sends a payload, and returns the statuses that answer it. */
  const send = (level: string, payload: Buffer, options: Sending = {}) => {
    statuses.length = 0;
    parts(payload, options).forEach((part) => ota.receive(level, part));
    return [...statuses];
  };
  return { ota, flash: chip.flash, statuses, send };
}

interface Sending {
  /** Bytes that arrive. */
  until?: number;
  segment?: number;
  /** Bytes of the payload in the first segment. */
  first?: number;
  retained?: boolean;
}

function parts(payload: Buffer, { until = payload.length, segment = 536, first = segment, retained }: Sending): Part[] {
  const result: Part[] = [];
  for (let index = 0, end = first; index < until; index = end, end += segment) {
    const part = { payload: payload.subarray(index, end), index, total: payload.length };
    result.push(retained === undefined ? part : { ...part, retained });
  }
  return result;
}

describe('receiving firmware in version 4.0.0 of the fork', () => {
  it('answers a success, an equal MD5 and a disabled update like the original (ran)', () => {
    const idle = receipt('4');
    assert.deepEqual(
      idle.send(md5(image), image).filter((text) => !text.startsWith('206')),
      ['202', '200'],
    );
    assert.deepEqual(idle.flash.takeStaged(), image);
    assert.deepEqual(receipt('4').send(RUNNING, image), ['304']);
    assert.deepEqual(receipt('4', { enabled: false }).send(md5(image), image), ['403']);
  });

  it('reports its progress at every hundredth part of an update (read)', () => {
    const { send } = receipt('4');
    assert.deepEqual(send(md5(image), image), ['202', `206 ${100 * 536}/60000`, '200']);
  });

  for (const core of [2, 3] as const) {
    it(`refuses an image with another MD5 on core ${core} (ran)`, () => {
      const { ota, flash, send } = receipt('4', { core });
      assert.equal(send(md5(Buffer.from('other')), image).at(-1), '400 BAD_CHECKSUM 7 END');
      assert.equal(ota.finished, false);
      assert.equal(flash.takeStaged(), undefined);
    });
  }

  it('takes base64 wherever its segments begin (ran with segments of 536 bytes)', () => {
    for (const bytes of [image, image.subarray(0, -1), image.subarray(0, -2)]) {
      for (const segment of [536, 1460]) {
        for (let first = 100; first < 108; first += 1) {
          const { flash, send } = receipt('4');
          const text = Buffer.from(bytes.toString('base64'));
          assert.equal(send(md5(bytes), text, { segment, first }).at(-1), '200');
          assert.deepEqual(flash.takeStaged(), bytes);
        }
      }
    }
  });

  it('refuses base64 with a newline, and is not stuck afterwards (read)', () => {
    const { send } = receipt('4');
    const text = Buffer.from(`${image.toString('base64').slice(0, 3999)}\n`);
    assert.deepEqual(send(md5(image), text), ['202', '400 BAD_FIRMWARE 10 BASE64']);
    assert.equal(send(md5(image), image).at(-1), '200');
  });

  it('refuses what is no image at once, without a 202 (ran)', () => {
    assert.deepEqual(receipt('4').send(md5(image), Buffer.alloc(4096)), ['400 BAD_FIRMWARE 10 VALIDATE']);
  });

  it('tells a staged image from none when it is asked with a message for no MD5 (ran)', () => {
    const { send } = receipt('4');
    assert.deepEqual(send('x', Buffer.from('x')), ['400 BAD_CHECKSUM 7 VALIDATE']);
    send(md5(image), image);
    assert.deepEqual(send('x', Buffer.from('x')), ['503 REBOOT_PENDING']);
    assert.deepEqual(send('x', Buffer.from('x')), ['503 REBOOT_PENDING']);
  });

  it('answers that message in the same way when a new configuration waits for the reboot (ran)', () => {
    const { send } = receipt('4', { rebootWaits: () => true });
    assert.deepEqual(send('x', Buffer.from('x')), ['503 REBOOT_PENDING']);
  });

  it('knows the image that it has staged (ran)', () => {
    const { send } = receipt('4');
    assert.deepEqual(send(md5(image), ZERO), ['400 BAD_FIRMWARE 10 VALIDATE']);
    send(md5(image), image);
    assert.deepEqual(send(md5(image), ZERO), ['200']);
    assert.deepEqual(send(md5(image), image), ['200']);
  });

  it('answers zero bytes for the running MD5 once (ran)', () => {
    const { ota, send } = receipt('4');
    assert.deepEqual(send(RUNNING, Buffer.alloc(4096)), ['304']);
    send(md5(image), image, { until: 10_000 });
    ota.disconnected();
    assert.deepEqual(send(RUNNING, Buffer.alloc(4096)), ['304']);
    send(md5(image), image);
    assert.deepEqual(send(RUNNING, Buffer.alloc(4096)), ['503 REBOOT_PENDING']);
  });

  it('discards an update when the connection ends, and says so (ran)', () => {
    const { ota, flash, statuses, send } = receipt('4');
    send(md5(image), image, { until: 10_000 });
    assert.equal(ota.ongoing, true);
    ota.disconnected();
    assert.equal(ota.ongoing, false);
    assert.deepEqual(statuses, ['202', '500 DISCONNECTED']);
    assert.equal(flash.takeStaged(), undefined);
    ota.disconnected();
    assert.equal(send(md5(image), image).at(-1), '200');
  });

  it('ends an update that gets no more bytes (read)', () => {
    const { ota, statuses, send } = receipt('4', { patience: 0 });
    ota.service();
    send(md5(image), image, { until: 10_000 });
    ota.service();
    ota.service();
    assert.deepEqual(statuses, ['202', '408 TIMEOUT']);
    assert.equal(ota.ongoing, false);
  });

  it('refuses each segment of a retained image (ran)', () => {
    const { ota, send } = receipt('4');
    assert.deepEqual(
      send(md5(image), image.subarray(0, 2000), { retained: true }),
      Array(4).fill('400 RETAINED_FIRMWARE'),
    );
    assert.equal(ota.finished, false);
    assert.equal(send(md5(image), image).at(-1), '200');
  });

  it('names its errors by number and phase (read)', () => {
    const large = receipt('4', { implementation: 'esp32' });
    const tooLarge = buildEsp32Image({ size: 0x150000 });
    assert.equal(large.send(md5(tooLarge), tooLarge).at(-1), '400 BAD_FIRMWARE 5 BEGIN');
    assert.equal(large.send(md5(image), Buffer.alloc(4096)).at(-1), '400 BAD_FIRMWARE 8 VALIDATE');
  });
});

describe('receiving firmware in version 3.7 of the fork', () => {
  it('forgets an update when the connection ends, without a status (read)', () => {
    const { ota, statuses, send } = receipt('3.7');
    send(md5(image), image, { until: 10_000 });
    ota.disconnected();
    ota.connected();
    assert.equal(ota.ongoing, false);
    assert.deepEqual(statuses, ['202']);
    assert.deepEqual(send(RUNNING, Buffer.alloc(4096)), ['304']);
    assert.equal(send(md5(image), image).at(-1), '200');
  });

  it('takes an image with another MD5 on core 3 (read)', () => {
    const { ota, send } = receipt('3.7', { core: 3 });
    assert.equal(send(md5(Buffer.from('other')), image).at(-1), '200');
    assert.equal(ota.finished, true);
  });

  it('stages a second image over the first (read)', () => {
    const { flash, send } = receipt('3.7');
    const second = buildEsp8266Image({ size: 60_000, seed: 2 });
    send(md5(image), image);
    assert.equal(send(md5(second), second).at(-1), '200');
    assert.deepEqual(flash.takeStaged(), second);
  });

  it('knows the image that it has staged, until a message for no MD5 makes it forget (read)', () => {
    const { ota, send } = receipt('3.7');
    assert.deepEqual(send(md5(image), ZERO), ['202', '400 BAD_FIRMWARE']);
    send(md5(image), image);
    assert.deepEqual(send(md5(image), ZERO), ['200']);
    assert.deepEqual(send('x', Buffer.from('x')), ['400 BAD_CHECKSUM']);
    assert.equal(ota.finished, true);
    assert.deepEqual(send(md5(image), ZERO), ['202', '400 BAD_FIRMWARE']);
  });

  it('reports what is no image on ESP32 as such (read)', () => {
    const fork = receipt('3.7', { implementation: 'esp32' });
    const original = receipt('3', { implementation: 'esp32' });
    assert.equal(fork.send(md5(image), Buffer.alloc(4096)).at(-1), '400 BAD_FIRMWARE');
    assert.equal(original.send(md5(image), Buffer.alloc(4096)).at(-1), '400 BAD_CHECKSUM');
  });
});

describe('the slot of a status', () => {
  it('has room for the newest one (ran)', () => {
    const sent: string[] = [];
    const slot = new StatusSlot((status) => sent.push(status));
    slot.put('202');
    slot.put('206 1/2');
    slot.flush(() => false);
    slot.flush(() => false);
    slot.put('200');
    slot.flush((status) => status === '200');
    slot.put('503 REBOOT_PENDING');
    slot.flush((status) => status === '200');
    assert.deepEqual(sent, ['206 1/2', '503 REBOOT_PENDING']);
  });
});
