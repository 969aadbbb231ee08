import { Firmware } from '../../src/firmware/firmware';
import { buildEsp8266Image } from '../support/images';
import { describeExchanges, type Row } from './exchange-rows';
import { next, raw, running } from './lab';

const SOME_MD5 = '0123456789abcdef0123456789abcdef';
const empty = Buffer.alloc(0);
/** An image that was built for a flash of 1 MiB. */
const small = buildEsp8266Image({ name: 'my-light', version: '1.0.0', size: 60_000, flashSize: 2 });
/** An image large enough for two progress reports before the end. */
const large = buildEsp8266Image({ name: 'my-light', version: '1.1.0', size: 300_000, seed: 6 });
const quick = { accepted: 300, stall: 400, reboot: 600, ready: 400 };

const toHomie2 = (image: Buffer): 2 | 3 => (image.equals(running) ? 3 : 2);

const rows: Row[] = [
  { title: 'success', expected: 'succeeded', runs: 'new' },
  { title: 'success on core 3', device: { core: 3 }, expected: 'succeeded', runs: 'new' },
  { title: 'success with segments of 536 bytes', device: { segment: 536 }, expected: 'succeeded', runs: 'new' },
  { title: 'success on Homie 2', device: { homie: 2 }, expected: 'succeeded', runs: 'new' },
  { title: 'success from Homie 3 to Homie 2', device: { homie: toHomie2 }, expected: 'succeeded', runs: 'new' },
  {
    title: 'success from Homie 3 to Homie 2 after a silent reboot',
    device: { homie: toHomie2, misbehaviour: { reboot: 'silent' } },
    expected: 'succeeded',
    runs: 'new',
  },
  {
    title: 'success from Homie 2 to Homie 3',
    device: { homie: (image) => (image.equals(running) ? 2 : 3) },
    expected: 'succeeded',
    runs: 'new',
  },
  {
    title: 'success without statistics',
    device: { misbehaviour: { noStatistics: true } },
    expected: 'succeeded',
    runs: 'new',
  },
  {
    title: 'success after a silent reboot',
    device: { misbehaviour: { reboot: 'silent' } },
    expected: 'succeeded',
    runs: 'new',
  },
  {
    title: 'the flash mode of the device differs',
    device: { image: buildEsp8266Image({ name: 'my-light', version: '1.0.0', size: 60_000, flashMode: 3 }) },
    expected: 'succeeded',
    runs: 'other',
  },
  {
    title: 'the device has no flash mode that is known',
    device: { image: buildEsp8266Image({ name: 'my-light', version: '1.0.0', size: 60_000, flashMode: 0xff }) },
    image: async () => Firmware.from(next),
    expected: 'succeeded',
    runs: 'other',
  },
  { title: 'the image runs already', image: () => raw(running), expected: 'up_to_date', runs: 'new', transfers: 0 },
  {
    title: 'the image runs already, force',
    image: () => raw(running),
    settings: { force: true },
    expected: 'succeeded',
    runs: 'new',
  },
  {
    title: 'the image runs already, force, on core 3',
    device: { core: 3 },
    image: () => raw(running),
    settings: { force: true },
    expected: 'succeeded',
    runs: 'new',
  },
  {
    title: 'the image runs already, force, without statistics',
    device: { misbehaviour: { noStatistics: true } },
    image: () => raw(running),
    settings: { force: true },
    expected: 'REBOOT_UNPROVEN',
    runs: 'new',
  },
  {
    title: 'OTA disabled',
    device: { config: { ota: { enabled: false } } },
    expected: 'ota_disabled',
    runs: 'old',
    transfers: 0,
  },
  {
    title: 'a topic level that is no MD5',
    image: () => raw(next, { md5: 'no-md5' }),
    expected: 'BAD_CHECKSUM',
    runs: 'old',
  },
  {
    title: 'content that does not match the MD5, core 2',
    image: () => raw(next, { md5: SOME_MD5 }),
    expected: 'BAD_CHECKSUM',
    runs: 'old',
  },
  {
    title: 'content that does not match the MD5, core 3, which boots it',
    device: { core: 3 },
    image: async () => ({
      ...(await raw(next, { md5: SOME_MD5 })),
      alternativeChecksums: async () => new Set<string>(),
    }),
    expected: 'OTHER_FIRMWARE',
    runs: 'new',
  },
  { title: 'a wrong magic byte', image: () => raw(Buffer.alloc(9000, 0x42)), expected: 'BAD_FIRMWARE', runs: 'old' },
  {
    title: 'an HTML page',
    image: () => raw(Buffer.from('<!DOCTYPE html><p>404')),
    expected: 'BAD_FIRMWARE',
    runs: 'old',
  },
  {
    title: 'gzip',
    image: () => raw(Buffer.from([0x1f, 0x8b, 8, 0, 0, 0, 0, 0])),
    expected: 'BAD_FIRMWARE',
    runs: 'old',
  },
  { title: 'too large for the sketch space', device: { freeSpace: 65_536 }, expected: 'NOT_ENOUGH_SPACE', runs: 'old' },
  {
    title: 'a flash size larger than the chip',
    device: { chipSize: 1_048_576, image: small },
    image: () => raw(buildEsp8266Image({ name: 'my-light', version: '1.1.0', size: 80_000, flashSize: 4 })),
    expected: 'BAD_FIRMWARE',
    runs: 'old',
  },
  {
    title: 'a chip of another size than the running image was built for',
    device: { chipSize: 1_048_576 },
    expected: 'INTERNAL_ERROR',
    runs: 'old',
  },
  { title: 'an erase error', device: { misbehaviour: { failEraseAt: 20_000 } }, expected: 'FLASH_ERROR', runs: 'old' },
  { title: 'a write error', device: { misbehaviour: { failWriteAt: 20_000 } }, expected: 'FLASH_ERROR', runs: 'old' },
  { title: 'a read error', device: { misbehaviour: { failReadAt: 20_000 } }, expected: 'FLASH_ERROR', runs: 'old' },
  {
    title: 'a wrong magic byte on an ESP32',
    device: { implementation: 'esp32' },
    image: () => raw(Buffer.alloc(9000, 0x42), { family: 'esp32' }),
    expected: 'BAD_CHECKSUM',
    runs: 'old',
  },
  {
    title: 'an empty payload',
    image: () => raw(empty),
    settings: quick,
    expected: 'NOT_ACCEPTED',
    runs: 'old',
  },
  { title: 'a single byte 0xE9', image: () => raw(Buffer.from([0xe9])), expected: 'succeeded', runs: 'new' },
  ...(['base64-id-16', 'base64-id--17', 'base64-id---18', 'base64-id----19'] as const).map((id): Row => ({
    title: `base64 with an id of ${id.length} characters`,
    device: { id },
    settings: { encoding: 'base64' },
    expected: 'succeeded',
    runs: 'new',
  })),
  {
    title: 'a busy sketch',
    device: { statsInterval: 1, misbehaviour: { notIdle: true } },
    settings: { reboot: 600 },
    expected: 'NOT_REBOOTED',
    runs: 'old',
    locked: true,
  },
  {
    title: 'a device that never comes back',
    device: { misbehaviour: { neverBack: true } },
    settings: { reboot: 600 },
    expected: 'NOT_BACK',
    locked: true,
  },
  {
    title: 'a device that dies at the reboot',
    device: { misbehaviour: { reboot: 'hang' }, keepalive: 1 },
    settings: { reboot: 9000 },
    expected: 'NOT_BACK',
    locked: true,
  },
  {
    title: 'a device that dies at the reboot, and whose will comes after the deadline',
    device: { misbehaviour: { reboot: 'hang' }, keepalive: 3 },
    settings: { reboot: 300 },
    expected: 'NOT_BACK',
    locked: true,
  },
  {
    title: 'a device that comes back with the old firmware',
    device: { misbehaviour: { comesBackWith: running } },
    expected: 'OLD_FIRMWARE',
    runs: 'old',
  },
  {
    title: 'a device that had just booted, and comes back with the old firmware',
    device: { uptime: 0, misbehaviour: { comesBackWith: running } },
    settings: { reboot: 600 },
    expected: 'REBOOT_UNPROVEN',
    // On a slow machine the device has been up long enough for its uptime to prove the reboot.
    late: 'OLD_FIRMWARE',
    runs: 'old',
    locked: true,
  },
  {
    title: 'a device that comes back with another firmware',
    device: { misbehaviour: { comesBackWith: buildEsp8266Image({ name: 'other', seed: 9 }) } },
    expected: 'OTHER_FIRMWARE',
    runs: 'other',
  },
  {
    title: 'a drop in the middle, then a second transfer',
    device: { misbehaviour: { dropAt: 30_000 } },
    expected: 'succeeded',
    runs: 'new',
    transfers: 2,
  },
  {
    title: 'a drop in the middle and no second attempt, which leaves the device freed',
    device: { misbehaviour: { dropAt: 30_000 } },
    settings: { attempts: 1 },
    expected: 'LOST_IN_TRANSFER',
    runs: 'old',
    transfers: 1,
  },
  {
    title: 'a crash in the middle, then a second transfer',
    device: { misbehaviour: { crashAt: 30_000 } },
    expected: 'succeeded',
    runs: 'new',
    transfers: 2,
  },
  {
    title: 'a device that hangs in the middle',
    device: { misbehaviour: { hangAt: 30_000 }, keepalive: 1 },
    settings: { stall: 12_000, reboot: 600 },
    expected: 'NOT_BACK',
    runs: 'old',
    locked: true,
  },
  {
    title: 'a device that hangs in the middle, seen by nobody but us',
    device: { misbehaviour: { hangAt: 30_000 }, keepalive: 15 },
    settings: { stall: 400, accepted: 400 },
    expected: 'STALLED',
    runs: 'old',
    locked: true,
  },
  {
    title: 'a device that receives for longer than its silence is to last, and has nothing to report',
    device: { flashDelay: 100 },
    settings: { stall: 600 },
    expected: 'succeeded',
    runs: 'new',
    transfers: 1,
  },
  {
    title: 'a device that receives for longer than its silence is to last, between two reports',
    image: () => raw(large),
    device: { flashDelay: 50 },
    settings: { stall: 600 },
    expected: 'succeeded',
    runs: 'new',
    transfers: 1,
  },
  {
    title: 'a crash in the middle of a forced reinstallation and no second attempt',
    image: () => raw(running),
    device: { misbehaviour: { crashAt: 30_000 } },
    settings: { force: true, attempts: 1 },
    expected: 'LOST_IN_TRANSFER',
    runs: 'new',
    transfers: 1,
  },
  ...(['202', '206', '200'] as const).map((lost): Row => ({
    title: `a lost ${lost}`,
    device: { misbehaviour: { loseStatuses: (status) => status.startsWith(lost) } },
    expected: 'succeeded',
    runs: 'new',
  })),
  {
    title: 'no status at all',
    device: { misbehaviour: { loseStatuses: () => true } },
    expected: 'succeeded',
    runs: 'new',
  },
];

describeExchanges('the exchange with one device', rows);
