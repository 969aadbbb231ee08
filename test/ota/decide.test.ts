import assert from 'node:assert/strict';
import type { Device } from '../../src/homie/device';
import { decide } from '../../src/ota/decide';
import type { Image } from '../../src/ota/image';
import { otaDefaults, type OtaSettings } from '../../src/ota/settings';
import { next, raw } from './lab';

const fact = <T>(value: T) => ({ value, live: true, at: 0 });
const lamp: Device = {
  id: 'lamp',
  implementation: fact('esp8266'),
  fwName: fact('my-light'),
  fwVersion: fact('1.0.0'),
  checksum: fact('0'.repeat(32)),
  otaEnabled: fact(true),
};

const broker = { baseTopic: 'homie/', shown: (topic: string) => topic };

/** Returns the decision in a word. */
async function decided(
  changes: Parameters<typeof raw>[1],
  settings: Partial<OtaSettings> = {},
  device: Partial<Device> = {},
): Promise<string> {
  const decision = await decide(
    { ...lamp, ...device },
    await raw(next, changes),
    { ...otaDefaults, ...settings },
    broker,
  );
  if (decision.kind === 'reject') return decision.error.code;
  return decision.kind === 'skip' ? decision.reason : decision.kind;
}

describe('what is decided about a device that is ready', () => {
  const misfits: [what: string, changes: Parameters<typeof raw>[1], code: string][] = [
    ['without the Homie signature', { homie: false }, 'NOT_HOMIE'],
    ['of another name', { name: 'other' }, 'WRONG_FIRMWARE'],
  ];
  for (const [what, changes, code] of misfits) {
    it(`refuses an image ${what}, unless allowIncompatible`, async () => {
      assert.equal(await decided(changes), code);
      assert.equal(await decided(changes, { allowDowngrade: true, force: true }), code);
      assert.equal(await decided(changes, { allowIncompatible: true }), 'update');
    });
  }

  it('says what the image is, and what the device runs or is', async () => {
    const refusal = async (image: Image, facts: Partial<Device> = {}): Promise<string> => {
      const decision = await decide({ ...lamp, ...facts }, image, otaDefaults, broker);
      return decision.kind === 'reject' ? decision.error.message : decision.kind;
    };
    const [image, other, nameless] = await Promise.all([raw(next), raw(next, { name: 'other' }), raw(next)]);
    Reflect.deleteProperty(nameless.info, 'name');
    assert.equal(await refusal(other), 'The image is "other", but lamp runs "my-light".');
    assert.equal(await refusal(nameless), 'The image is a firmware without a name, but lamp runs "my-light".');
    const esp32 = { implementation: fact('esp32') };
    assert.equal(await refusal(image, esp32), 'The image is for esp8266, but lamp is an esp32.');
  });

  it('updates a device that has not said what it is and what it runs', async () => {
    const silent: Device = { id: 'lamp' };
    for (const allowIncompatible of [false, true]) {
      assert.deepEqual(await decide(silent, await raw(next), { ...otaDefaults, allowIncompatible }, broker), {
        kind: 'update',
        reinstall: false,
      });
    }
  });

  it('says how to update a device that it skips', async () => {
    const hint = async (device: Device, changes: Parameters<typeof raw>[1] = {}): Promise<string | undefined> => {
      const decision = await decide(device, await raw(next, changes), otaDefaults, broker);
      return decision.kind === 'skip' ? decision.hint : undefined;
    };
    assert.match((await hint(lamp, { version: '0.9.0' })) ?? '', /allowDowngrade/);
    const disabled = (await hint({ ...lamp, otaEnabled: fact(false) })) ?? '';
    assert.deepEqual(JSON.parse(/{.*}/.exec(disabled)?.[0] ?? ''), { ota: { enabled: true } });
  });

  it('refuses an image for the ESP8266 on an ESP32, unless allowIncompatible', async () => {
    const esp32 = { implementation: fact('esp32') };
    assert.equal(await decided({}, {}, esp32), 'WRONG_CHIP');
    assert.equal(await decided({}, { allowIncompatible: true }, esp32), 'update');
  });

  it('refuses an image for the ESP32 on an ESP8266, whatever is allowed: it would overwrite the boot loader', async () => {
    const everything = { allowDowngrade: true, allowIncompatible: true, force: true };
    for (const changes of [{}, { homie: false }, { name: 'other' }]) {
      const image = { ...changes, family: 'esp32', chip: 'esp32' } as const;
      assert.equal(await decided(image, everything), 'WRONG_CHIP');
    }
    assert.equal(await decided({ family: 'esp32', chip: 'esp32' }), 'WRONG_CHIP');
  });

  it('skips a lower version, unless allowDowngrade', async () => {
    assert.equal(await decided({ version: '0.9.0' }), 'older');
    assert.equal(await decided({ version: '0.9.0' }, { force: true, allowIncompatible: true }), 'older');
    assert.equal(await decided({ version: '0.9.0' }, { allowDowngrade: true }), 'update');
    assert.equal(await decided({ version: '1.0.0' }), 'update');
    assert.equal(await decided({ version: '1.0.0-rc.1' }), 'older');
  });

  it('orders versions of two numbers, too', async () => {
    assert.equal(await decided({ version: '0.9' }), 'older');
    assert.equal(await decided({ version: '0.9.0' }, {}, { fwVersion: fact('1.0') }), 'older');
    assert.equal(await decided({ version: '1.0' }), 'update');
  });

  it('finds no version lower where the two cannot be compared', async () => {
    assert.equal(await decided({ version: 'nightly' }), 'update');
    assert.equal(await decided({ version: '0.9.0' }, {}, { fwVersion: fact('final') }), 'update');
    assert.equal(await decided({ version: '0.9.0' }, {}, { fwVersion: undefined }), 'update');
  });

  it('skips a device on which OTA is disabled, whatever is allowed', async () => {
    const everything = { allowDowngrade: true, allowIncompatible: true, force: true };
    assert.equal(await decided({}, everything, { otaEnabled: fact(false) }), 'ota_disabled');
    assert.equal(await decided({}, {}, { otaEnabled: undefined }), 'update');
  });

  it('reinstalls what runs only by force, and says so where the MD5 is the very same', async () => {
    const { info, checksums } = await raw(next);
    const image = await raw(next);
    const [patched] = [...(await checksums())].filter((checksum) => checksum !== info.md5);
    const running = (checksum: string | undefined): Device => ({ ...lamp, checksum: fact(checksum ?? '') });
    const force = { ...otaDefaults, force: true };
    for (const checksum of [info.md5, patched]) {
      const decision = await decide(running(checksum), image, otaDefaults, broker);
      assert.deepEqual(decision, { kind: 'skip', reason: 'up_to_date' });
    }
    assert.deepEqual(await decide(running(info.md5), image, force, broker), { kind: 'update', reinstall: true });
    assert.deepEqual(await decide(running(patched), image, force, broker), { kind: 'update', reinstall: false });
  });

  it('hashes the image with other flash modes only where the plain one does not run already', async () => {
    const { checksums, ...image } = await raw(next);
    let hashed = 0;
    const counting = {
      ...image,
      checksums: () => {
        hashed += 1;
        return checksums();
      },
    };
    await decide({ ...lamp, checksum: fact(image.info.md5) }, counting, otaDefaults, broker);
    assert.equal(hashed, 0);
    await decide(lamp, counting, otaDefaults, broker);
    assert.equal(hashed, 1);
  });
});
