import assert from 'node:assert/strict';
import { appendFile, mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { Firmware } from '../../src/firmware/firmware';
import { HomieBroker } from '../../src/homie/broker';
import type { Summary } from '../../src/update/update';
import type { OtaSettings } from '../../src/ota/settings';
import { OtaJob } from '../../src/rollout/ota-job';
import { JobStore } from '../../src/rollout/store/job-store';
import { next, patient, running, sequential } from '../ota/lab';
import { SimulatedDevice, type DeviceOptions } from '../simulator/device';
import { startAedes, type AedesBroker } from '../support/aedes';
import { buildEsp8266Image } from '../support/images';
import { resetLocks } from '../support/locks';
import { untilTrue } from '../support/until-true';

const another = buildEsp8266Image({ name: 'my-light', version: '1.2.0', size: 80_000, seed: 5 });

describe('a device that may have something to boot when the process ends', () => {
  let server: AedesBroker;
  let folder: string;
  let store: JobStore;
  let broker: HomieBroker;
  let device: SimulatedDevice;
  const told: string[] = [];

  before(async () => {
    server = await startAedes();
  });
  after(() => server.close());
  beforeEach(async () => {
    resetLocks();
    told.length = 0;
    folder = await mkdtemp(path.join(tmpdir(), 'pending-'));
    await begin();
  });
  afterEach(async () => {
    await device.stop();
    await end();
    await rm(folder, { recursive: true, force: true });
  });

  const begin = async (): Promise<void> => {
    store = new JobStore(folder, ({ code }) => told.push(code));
    await store.open();
    broker = new HomieBroker({ url: server.url, protocolVersion: 'auto', baseTopic: 'homie/' });
    broker.start();
    await broker.settled();
  };
  const end = async (): Promise<void> => {
    await broker.close();
    await store.close();
    resetLocks();
  };
  const heard = async (attribute: 'uptime' | 'state'): Promise<void> => {
    await untilTrue(broker.registry, 'event', () => broker.registry.get(device.id)?.[attribute]?.live === true);
  };
  const add = async (options: Partial<DeviceOptions> = {}): Promise<void> => {
    device = new SimulatedDevice({
      url: server.url,
      id: 'lamp',
      image: running,
      uptime: 3600,
      statsInterval: 1,
      misbehavior: { notIdle: true },
      ...options,
    });
    await device.start();
    await heard('uptime');
  };
  const bring = async (image: Buffer, settings: Partial<OtaSettings> = {}): Promise<Summary> =>
    new OtaJob(
      {
        broker,
        firmware: await Firmware.from(image),
        choice: { devices: [device.id] },
        settings: { ...patient, ...settings },
      },
      // Some devices stay locked until `expires` has passed.
      { ...sequential, expires: 10_000 },
    ).run();
  const codeOf = ({ devices: [update] }: Summary): string | undefined => update?.error?.code ?? update?.state;
  const images = (): number => device.images.length;
  const pendingFile = (): string => path.join(folder, 'pending.jsonl');

  it('is sent nothing by the next process, until it is shown to have restarted', async () => {
    await add();
    assert.equal(codeOf(await bring(next, { reboot: 500 })), 'NOT_REBOOTED');
    await end();
    await begin();
    await heard('uptime');
    assert.equal(codeOf(await bring(another)), 'REBOOT_PENDING');
    assert.equal(images(), 1);

    device.setIdle(true);
    await untilTrue(broker.registry, 'event', () => !broker.locks.isRebootPending(device.id));
    assert.ok(device.image.equals(next));
    assert.equal(codeOf(await bring(another)), 'succeeded');
    await end();
    await begin();
    assert.equal(broker.locks.isRebootPending(device.id), false);
  });

  it('is written down before the image goes out', async () => {
    await add();
    let text = '';
    device.once('part', () => {
      void readFile(pendingFile(), 'utf8').then((read) => (text = read));
    });
    await bring(next, { reboot: 500 });
    assert.match(text, /"homie\/lamp/);
  });

  for (const [what, line] of [
    ['another line of the file is damaged', '["homie/other {"\n'],
    ['the line about it is damaged', '["homie/lamp",{"address":\n'],
  ] as const) {
    it(`stays locked where ${what}`, async () => {
      await add({ mac: '' });
      assert.equal(codeOf(await bring(next, { reboot: 500 })), 'NOT_REBOOTED');
      await end();
      await appendFile(pendingFile(), line);
      await begin();
      assert.deepEqual(told, ['JOB_FILE_DAMAGED']);
      assert.equal(codeOf(await bring(another)), 'REBOOT_PENDING');
      assert.equal(images(), 1);
    });
  }

  it('is found again under another base topic and id', async () => {
    await add();
    assert.equal(codeOf(await bring(next, { reboot: 500 })), 'NOT_REBOOTED');
    await end();
    device.file = JSON.stringify({ ...JSON.parse(device.file), device_id: 'lantern' });
    await begin();
    const { locks, registry } = broker;
    registry.receive('homie/lamp/$state', Buffer.from('lost'), false);
    registry.receive('homie/lantern/$mac', Buffer.from(registry.get('lamp')?.mac?.value ?? ''), true);
    assert.throws(() => locks.acquire('lantern', 'job'), { code: 'REBOOT_PENDING' });
  });
});
