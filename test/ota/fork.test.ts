/** Updates of devices with the maintained fork, labodj/homie-esp8266. */
import assert from 'node:assert/strict';
import { connectAsync } from 'mqtt';
import { once } from 'node:events';
import { Firmware } from '../../src/firmware/firmware';
import { flightOf, judgeImageInFlight } from '../../src/ota/in-flight';
import { describeWithBrokers, type TestBroker } from '../support/brokers';
import { buildEsp8266Image } from '../support/images';
import { describeExchanges, type Row } from './exchange-rows';
import { codeOf, Lab, next, patient, raw, serving } from './lab';

const original = buildEsp8266Image({ name: 'my-light', version: '1.0.0', dialect: '3', seed: 11 });
const fork = buildEsp8266Image({ name: 'my-light', version: '1.1.0', dialect: '4', seed: 12 });
const large = buildEsp8266Image({ name: 'my-light', version: '1.1.0', size: 300_000, seed: 6 });
const everything = { allowIncompatible: true, allowDowngrade: true, force: true };
const image = (bytes: Buffer) => (): Promise<Firmware> => Firmware.from(bytes);
const isLost = (status: string) => (text: string) => text.startsWith(status);

const rows: Row[] = [
  ...(['3.7', '4'] as const).flatMap((dialect): Row[] => [
    { title: `success, ${dialect}`, device: { dialect }, expected: 'succeeded', runs: 'new', transfers: 1 },
    { title: `success on core 3, ${dialect}`, device: { dialect, core: 3 }, expected: 'succeeded', runs: 'new' },
    {
      title: `success with progress, ${dialect}`,
      device: { dialect },
      image: image(large),
      expected: 'succeeded',
      runs: 'new',
    },
    {
      title: `OTA disabled, ${dialect}`,
      device: { dialect, config: { ota: { enabled: false } } },
      expected: 'ota_disabled',
    },
    {
      title: `no status at all, ${dialect}`,
      device: { dialect, misbehavior: { loseStatuses: () => true } },
      expected: 'succeeded',
      runs: 'new',
    },
    ...['202', '206', '200'].map((status): Row => ({
      title: `a ${status} that the next status replaces, ${dialect}`,
      device: { dialect, misbehavior: { delaysStatus: isLost(status) } },
      image: image(large),
      expected: 'succeeded',
      runs: 'new',
      transfers: 1,
    })),
    {
      title: `a drop in the middle, then a second transfer, ${dialect}`,
      device: { dialect, misbehavior: { dropAt: 30_000 } },
      expected: 'succeeded',
      runs: 'new',
      transfers: 2,
    },
    {
      title: `a drop in the middle and no second attempt, which leaves nothing to boot, ${dialect}`,
      device: { dialect, misbehavior: { dropAt: 30_000 } },
      settings: { attempts: 1 },
      expected: 'LOST_IN_TRANSFER',
      runs: 'old',
      transfers: 1,
    },
    {
      title: `a crash in the middle, then a second transfer, ${dialect}`,
      device: { dialect, misbehavior: { crashAt: 30_000 } },
      expected: 'succeeded',
      runs: 'new',
      transfers: 2,
    },
  ]),
  {
    title: 'a drop whose 500 DISCONNECTED gets lost, 4',
    device: { dialect: '4', misbehavior: { dropAt: 30_000, loseStatuses: isLost('500 DISCONNECTED') } },
    expected: 'succeeded',
    runs: 'new',
    transfers: 2,
  },
  {
    // Nothing arrives on the connection that stalls, so another attempt is lost with it.
    title: 'a transfer that stalls until the device gives up, then others, 4',
    device: { dialect: '4', otaTimeout: 500, keepalive: 1, misbehavior: { stallAt: 30_000 } },
    settings: { attempts: 3 },
    expected: 'succeeded',
    runs: 'new',
  },
  {
    title: 'a transfer that stalls and no second attempt, 4',
    device: { dialect: '4', otaTimeout: 500, misbehavior: { stallAt: 30_000 } },
    settings: { attempts: 1 },
    expected: 'DEVICE_TIMEOUT',
    runs: 'old',
  },
  {
    title: 'content that does not match the MD5 on core 3, 4',
    device: { dialect: '4', core: 3 },
    image: () => raw(next, { md5: '0123456789abcdef0123456789abcdef' }),
    expected: 'BAD_CHECKSUM',
    runs: 'old',
  },
  {
    title: 'from the original to the fork',
    device: { image: original },
    image: image(fork),
    expected: 'succeeded',
    runs: 'new',
  },
  {
    title: 'from the fork to the original',
    device: { image: fork },
    image: image(original),
    settings: { allowDowngrade: true },
    expected: 'succeeded',
    runs: 'new',
  },
  {
    title: 'a drop in the middle on the way from the original to the fork',
    device: { image: original, misbehavior: { dropAt: 30_000 } },
    image: image(fork),
    expected: 'succeeded',
    runs: 'new',
  },
  ...(
    [
      ['with a base topic of several levels', { baseTopic: 'home/iot/' }],
      ['with a base topic in capital letters', { baseTopic: 'Homie/' }],
      ['with an id that the fork does not accept', { id: 'my-light-' }],
      ['with TLS', { config: { mqtt: { host: '127.0.0.1', base_topic: 'homie/', ssl: true } } }],
    ] as const
  ).flatMap(([title, device]): Row[] =>
    [{}, everything].map((settings) => ({
      title: `the fork for an original device ${title}${settings === everything ? ', whatever is allowed' : ''}`,
      device: { image: original, ...device },
      image: image(fork),
      settings,
      expected: 'WOULD_NOT_START',
      runs: 'old',
      transfers: 0,
    })),
  ),
  {
    title: 'the fork under a name that it does not accept itself',
    device: { image: original },
    image: image(buildEsp8266Image({ name: 'My_Light', version: '1.1.0', dialect: '3.7' })),
    settings: everything,
    expected: 'WOULD_NOT_START',
    transfers: 0,
  },
  {
    title: 'an older version of the fork, which only warns, for a device with a base topic of several levels',
    device: { image: original, baseTopic: 'home/iot/' },
    image: image(buildEsp8266Image({ name: 'my-light', version: '1.1.0', dialect: '3.6', seed: 13 })),
    expected: 'succeeded',
    runs: 'new',
  },
  {
    title: 'an image of convention 5, which comes back under another base topic',
    device: { image: original },
    image: image(buildEsp8266Image({ name: 'my-light', version: '1.1.0', dialect: '4', convention: 5, seed: 14 })),
    settings: { reboot: 2_000 },
    expected: 'NOT_BACK',
    runs: 'new',
    locked: true,
  },
  {
    title: 'a device of convention 5',
    device: { convention: 5 },
    image: image(buildEsp8266Image({ name: 'my-light', version: '1.1.0', dialect: '4', convention: 5, seed: 14 })),
    expected: 'succeeded',
    runs: 'new',
    transfers: 1,
  },
  {
    title: 'a device of convention 5 whose base topic ends in 5',
    device: { convention: 5, baseTopic: 'homie/5/' },
    image: image(buildEsp8266Image({ name: 'my-light', version: '1.1.0', dialect: '4', convention: 5, seed: 14 })),
    expected: 'succeeded',
    runs: 'new',
  },
  {
    title: 'a topic that is too long for version 4 by one character',
    device: { dialect: '4', id: 'd'.repeat(32), baseTopic: `${'b'.repeat(34)}/` },
    expected: 'TOPIC_TOO_LONG',
    transfers: 0,
  },
];

describeExchanges('the exchange with a device of the maintained fork', rows);

describeWithBrokers('a device of version 4 of the maintained fork', (start) => {
  let broker: TestBroker;
  before(async () => (broker = await start()));
  after(() => broker?.stop());

  it('is waited for when it reports a pending reboot in place of the end of the transfer', async () => {
    const lab = await Lab.open(broker.url, { dialect: '4' });
    const other = await connectAsync(broker.url);
    try {
      // The answer to a second message replaces the 200.
      const topic = `homie/${lab.device.id}/$implementation/ota/firmware/x`;
      let isSent = false;
      const { outcome } = await lab.bring(
        await raw(large),
        {},
        {
          onChange: ({ phase }) => {
            if (phase !== 'accepted' || isSent) return;
            isSent = true;
            void other.publishAsync(topic, 'x', { qos: 1 });
          },
        },
      );
      assert.ok(isSent);
      assert.equal(codeOf(outcome), 'succeeded');
      assert.ok(lab.device.image.equals(large));
    } finally {
      await other.endAsync();
      await lab.close();
    }
  });

  it('is updated although it refuses a firmware that the broker has retained', async () => {
    const other = await connectAsync(broker.url);
    const id = 'retained';
    const topic = `homie/${id}/$implementation/ota/firmware/${(await raw(large)).info.md5}`;
    await other.publishAsync(topic, large, { qos: 1, retain: true });
    const lab = await Lab.open(broker.url, { dialect: '4', id });
    try {
      const { outcome } = await lab.bring(await raw(next));
      assert.equal(codeOf(outcome), 'succeeded');
      assert.ok(lab.device.image.equals(next));
    } finally {
      await lab.close();
      await other.publishAsync(topic, '', { qos: 1, retain: true });
      await other.endAsync();
    }
  });

  it('stays locked after a flashed image until it reports that it has discarded another one', async () => {
    const lab = await Lab.open(broker.url, { dialect: '4' });
    try {
      const { locks, registry } = lab.broker;
      await locks.expectReboot(lab.device.id, 'image');
      const say = (status: string): Promise<unknown> =>
        lab.broker.connection.publish(`homie/${lab.device.id}/$implementation/ota/status`, status, {
          qos: 1,
          timeout: 60_000,
        });
      const seen = async (status: string): Promise<void> => {
        const watch = lab.broker.watch(lab.device.id);
        await say(status);
        for (;;) {
          const event = await watch.next(Infinity);
          if (event?.attribute === 'otaStatus' && event.value === status) break;
        }
        watch.close();
      };
      await seen('400 BAD_CHECKSUM 7 END');
      assert.equal(locks.isRebootPending(lab.device.id), true);
      assert.equal(registry.get(lab.device.id)?.implementationVersion?.value, '4.0.0');
      await seen('500 DISCONNECTED');
      assert.equal(locks.isRebootPending(lab.device.id), false);
    } finally {
      await lab.close();
    }
  });

  it('may be sent an image again that it has discarded while this process was restarted', async () => {
    const lab = await Lab.open(broker.url, { dialect: '4', misbehavior: { dropAt: 30_000 } });
    const other = await connectAsync(broker.url);
    try {
      const { id } = lab.device;
      const known = lab.broker.registry.get(id);
      assert.ok(known);
      const firmware = await raw(next);
      const flight = flightOf(known);
      const isBack = once(lab.device, 'disconnected');
      await other.publishAsync(`homie/${id}/$implementation/ota/firmware/${firmware.info.md5}`, next, { qos: 1 });
      await isBack;
      lab.broker.locks.takeUp(id, 'test');
      const end = await judgeImageInFlight({
        ...serving(lab.broker, id),
        firmware,
        flight,
        settings: { ...patient, stall: 300 },
      });
      assert.deepEqual(end, { kind: 'again' });
    } finally {
      await other.endAsync();
      await lab.close();
    }
  });
});
