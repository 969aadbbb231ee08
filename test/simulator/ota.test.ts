import assert from 'node:assert/strict';
import { buildEsp8266Image } from '../support/images';
import { Flash } from './flash';
import { OtaReceipt, type OtaHost } from './ota';
import { Esp8266Updater } from './updater';
import { md5 } from '../support/md5';

const image = buildEsp8266Image({ size: 60_000 });
const RUNNING = md5(Buffer.from('running'));

function receipt(changes: Partial<OtaHost> = {}) {
  const statuses: string[] = [];
  const updater = new Esp8266Updater(
    {
      flash: new Flash(() => ({})),
      chipSize: 4 << 20,
      updateEnd: 3 << 20,
      freeSpace: undefined,
      sketchSize: 300_000,
      flashMode: 2,
      flashConfig: 0x40,
    },
    2,
  );
  const status = (text: string) => statuses.push(text);
  const host = { enabled: true, checksum: RUNNING, implementation: 'esp8266', homie: 3, updater, status } as const;
  return { ota: new OtaReceipt({ ...host, ...changes }), updater, statuses };
}

/** Sends a payload segment by segment. @param until number of bytes that arrive */
function send(ota: OtaReceipt, level: string, payload: Buffer, until = payload.length, segment = 536): void {
  for (let index = 0; index < until; index += segment) {
    ota.receive(level, { payload: payload.subarray(index, index + segment), index, total: payload.length });
  }
}

describe('receiving firmware', () => {
  it('tells of its progress every hundred parts, counted across updates', () => {
    const { ota, statuses } = receipt();
    send(ota, md5(image), image);
    assert.deepEqual(statuses, ['202', `206 ${101 * 536}/60000`, '200']);
    statuses.length = 0;
    const before = Math.ceil(image.length / 536);
    send(ota, md5(image), image);
    assert.deepEqual(statuses, ['202', `206 ${(201 - before) * 536}/60000`, '200']);
  });

  it('tells of its progress at every part in Homie 2', () => {
    const { ota, statuses } = receipt({ homie: 2 });
    send(ota, md5(image), image);
    assert.equal(statuses.filter((status) => status.startsWith('206 ')).length, Math.ceil(image.length / 536));
  });

  it('answers an equal MD5 once', () => {
    const { ota, statuses } = receipt();
    send(ota, RUNNING, image);
    assert.deepEqual(statuses, ['304']);
  });

  it('does not take an upper-case MD5 for an equal one', () => {
    const { ota, statuses } = receipt({ checksum: md5(image) });
    send(ota, md5(image).toUpperCase(), image);
    assert.equal(statuses.at(-1), '200');
  });

  it('answers an equal MD5 twice when an update was cut off before, and is free then', () => {
    const { ota, updater, statuses } = receipt();
    send(ota, md5(image), image, 10_000);
    updater.end(false);
    assert.equal(ota.ongoing, true);
    send(ota, RUNNING, image);
    assert.deepEqual(statuses, ['202', '304', '500 INTERNAL_ERROR 0']);
    assert.equal(ota.ongoing, false);
  });

  it('tells an update that was cut off from a staged one when it is asked with zero bytes', () => {
    const cutOff = receipt();
    send(cutOff.ota, md5(image), image, 10_000);
    const staged = receipt();
    send(staged.ota, md5(image), image);
    const idle = receipt();
    const asked = [cutOff, staged, idle].map(({ ota, statuses }) => {
      statuses.length = 0;
      send(ota, RUNNING, Buffer.alloc(4096));
      return statuses;
    });
    assert.deepEqual(asked, [['304', '500 INTERNAL_ERROR 0'], ['304'], ['304']]);
    assert.equal(cutOff.ota.ongoing, false);
    assert.equal(staged.ota.finished, true);
  });

  it('does not end an update that was cut off when the question fits a single segment', () => {
    const { ota, statuses } = receipt();
    send(ota, md5(image), image, 10_000);
    send(ota, RUNNING, Buffer.alloc(500));
    assert.deepEqual(statuses, ['202', '304']);
    assert.equal(ota.ongoing, true);
  });

  it('refuses the question when it does not run the image that is asked for', () => {
    const { ota, statuses } = receipt();
    send(ota, md5(image), Buffer.alloc(4096));
    assert.deepEqual(statuses, ['202', '400 BAD_FIRMWARE']);
    assert.equal(ota.finished, false);
  });

  it('is freed of an update that was cut off by a single byte for no MD5', () => {
    const { ota, statuses } = receipt();
    send(ota, md5(image), image, 10_000);
    send(ota, 'x', Buffer.from('x'));
    assert.deepEqual(statuses, ['202', '400 BAD_CHECKSUM']);
    assert.equal(ota.ongoing, false);
    assert.equal(ota.finished, false);
  });

  it('takes an update after one that was cut off, once the updater was ended', () => {
    const { ota, updater, statuses } = receipt();
    send(ota, md5(image), image, 10_000);
    updater.end(false);
    send(ota, md5(image), image);
    assert.equal(statuses.at(-1), '200');
  });

  it('leaves the updater stuck after base64 with a newline', () => {
    const { ota, statuses } = receipt();
    const text = `${image.toString('base64').slice(0, 3999)}\n`;
    send(ota, md5(image), Buffer.from(text));
    send(ota, md5(image), image);
    assert.deepEqual(statuses, ['202', '400 BAD_FIRMWARE', '202', '500 INTERNAL_ERROR 0']);
  });
});
