import assert from 'node:assert/strict';
import { connectAsync } from 'mqtt';
import type { Change } from '../../src/update/update';
import type { ConfigSettings } from '../../src/config/settings';
import { SimulatedDevice, type DeviceOptions } from '../simulator/device';
import { codeOf, running } from '../ota/lab';
import type { BrokerSuite, TestBroker } from '../support/brokers';
import { bring, quick, until, withLab } from './lab';
import { untilTrue } from '../support/until-true';

/** One row: which patch goes to which device, and what is to come of it. */
interface Row {
  readonly title: string;
  readonly device?: Partial<DeviceOptions>;
  readonly patch: unknown;
  readonly settings?: Partial<ConfigSettings>;
  readonly expected: string;
  /** Patches that reached the device. */
  readonly messages?: number;
  readonly taken?: readonly string[];
  readonly untaken?: readonly string[];
  /** Whether the device stays locked. */
  readonly locked?: boolean;
}

const wifi = { ssid: 'test', password: 'test' };
const mqtt = { host: '127.0.0.1', port: 1883, base_topic: 'homie/', auth: false };
const settings = { percentage: 42 };
const long = (letter: string): string => letter.repeat(100);

const rows: Row[] = [
  {
    title: 'a setting',
    patch: { settings: { percentage: 7 } },
    expected: 'succeeded',
    messages: 1,
    taken: ['settings.percentage'],
    untaken: [],
  },
  { title: 'JSON text', patch: '{"name":"New"}', expected: 'succeeded', messages: 1, taken: ['name'] },
  { title: 'a setting on Homie 2', device: { homie: 2 }, patch: { name: 'New' }, expected: 'succeeded', messages: 1 },
  {
    title: 'a number that is kept in single precision',
    patch: { settings: { factor: 0.1 } },
    expected: 'succeeded',
  },
  {
    title: 'a number that loses digits, beside another one',
    device: { config: { settings: { gain: 8.68 } } },
    patch: { settings: { ratio: 8.39 } },
    expected: 'succeeded',
    taken: ['settings.ratio'],
  },
  { title: 'a removal', device: { config: { settings } }, patch: { settings: null }, expected: 'succeeded' },
  {
    title: 'a silent reboot',
    device: { misbehavior: { reboot: 'silent' } },
    patch: { name: 'New' },
    expected: 'succeeded',
  },
  { title: 'what is there already', patch: { ota: { enabled: true } }, expected: 'no_change', messages: 0 },
  {
    title: 'what is there already, force',
    patch: { ota: { enabled: true } },
    settings: { force: true },
    expected: 'succeeded',
    messages: 1,
  },
  { title: 'a broken rule', patch: { name: '' }, expected: 'CONFIG_RULE', messages: 0 },
  { title: 'a harm', patch: { device_stats_interval: 0 }, expected: 'CONFIG_HARM', messages: 0 },
  {
    title: 'a risk without leave',
    patch: { wifi: { ssid: 'other' } },
    settings: { allowRisky: false },
    expected: 'RISK_NOT_ALLOWED',
    messages: 0,
  },
  {
    title: 'too much at once',
    patch: { settings: { a: long('a'), b: long('b'), c: long('c') } },
    expected: 'MERGE_TOO_LARGE',
    messages: 0,
  },
  {
    title: 'too much at once, split',
    patch: { settings: { a: long('a'), b: long('b'), c: long('c') } },
    settings: { split: true, secretBytes: 10 },
    expected: 'succeeded',
    messages: 2,
    taken: ['settings.a', 'settings.b', 'settings.c'],
    untaken: [],
  },
  {
    title: 'a value that the sketch refuses',
    device: { statsInterval: 1 },
    patch: { settings: { percentage: 101 } },
    settings: quick,
    expected: 'NOT_APPLIED',
    messages: 1,
    taken: [],
    untaken: ['settings.percentage'],
    locked: true,
  },
  {
    title: 'a split of which the sketch refuses a part',
    device: { statsInterval: 1, settings: { b: { type: 'long' } } },
    patch: { settings: { a: long('a'), b: long('b'), c: long('c') } },
    settings: { split: true, secretBytes: 10, ...quick },
    expected: 'NOT_APPLIED',
    locked: true,
  },
  {
    title: 'a busy sketch',
    device: { statsInterval: 1, misbehavior: { notIdle: true } },
    patch: { name: 'New' },
    settings: quick,
    expected: 'NOT_APPLIED',
    untaken: ['name'],
    locked: true,
  },
  {
    title: 'a device that never reads the patch',
    device: { misbehavior: { deaf: true } },
    patch: { name: 'New' },
    settings: quick,
    expected: 'NOT_RECEIVED',
    locked: true,
  },
  {
    title: 'a reboot from which the device does not return',
    device: { misbehavior: { neverBack: true } },
    patch: { name: 'New' },
    settings: quick,
    expected: 'NOT_BACK',
    locked: true,
  },
  {
    title: 'a device that dies in the reboot, and whose will comes after the deadline',
    device: { misbehavior: { reboot: 'hang' }, keepalive: 3 },
    patch: { name: 'New' },
    settings: { ...quick, reboot: 300 },
    expected: 'NOT_BACK',
    locked: true,
  },
  {
    title: 'another Wi-Fi password than that of the network',
    patch: { wifi: { password: 'wrong' } },
    settings: quick,
    expected: 'NOT_BACK',
    locked: true,
  },
  { title: 'another broker', patch: { mqtt: { port: 1 } }, settings: quick, expected: 'NOT_BACK', locked: true },
  {
    title: 'a device that loses a value',
    device: { misbehavior: { forgets: 'settings' } },
    patch: { name: 'New', settings: { percentage: 7 } },
    expected: 'VALUE_LOST',
    taken: ['name'],
    untaken: ['settings.percentage'],
    locked: false,
  },
  {
    title: 'a device without statistics',
    device: { misbehavior: { noStatistics: true } },
    patch: { name: 'New' },
    expected: 'REBOOT_UNPROVEN',
  },
  {
    title: 'only secrets',
    device: { config: { mqtt: { ...mqtt, auth: true, username: 'u', password: 'p' } } },
    patch: { mqtt: { password: 'p' } },
    expected: 'succeeded',
    messages: 1,
    taken: [],
    untaken: [],
  },
  {
    title: 'only secrets, to a device without statistics',
    device: { misbehavior: { noStatistics: true } },
    patch: { wifi: { password: wifi.password } },
    expected: 'REBOOT_UNPROVEN',
  },
];

/** The change of a configuration, on a broker. */
export const patches: BrokerSuite = (start) => {
  let broker: TestBroker;
  before(async () => (broker = await start()));
  after(() => broker?.stop());

  for (const { title, device, patch, settings: given, expected, messages, taken, untaken, locked } of rows) {
    it(`${title}: ${expected}`, () =>
      withLab(broker.url, device, async (lab) => {
        const abandon = new AbortController();
        const { outcome, late } = await bring(lab, patch, given, { abandon: abandon.signal });
        abandon.abort();
        await late;
        assert.equal(codeOf(outcome), expected, 'error' in outcome ? outcome.error.message : '');
        if (messages !== undefined) assert.equal(lab.device.patches.length, messages);
        if (taken !== undefined) assert.deepEqual(outcome.config?.taken, taken);
        if (untaken !== undefined) assert.deepEqual(outcome.config?.untaken, untaken);
        if (locked !== undefined) assert.equal(lab.broker.locks.isRebootPending(lab.device.id), locked);
        if (expected === 'succeeded') assert.equal('reboot' in outcome && outcome.reboot, 'proven');
      }));
  }

  it('sends nothing to a device whose configuration is not UTF-8, since its bytes are not known', () =>
    withLab(broker.url, {}, async (lab) => {
      const client = await connectAsync(broker.url);
      const config = Buffer.from('{"name":"caf\u00e9","settings":{"percentage":42}}', 'latin1');
      const known = until(lab, () => lab.broker.registry.get(lab.device.id)?.config?.value.includes('\uFFFD') === true);
      await client.publishAsync(`homie/${lab.device.id}/$implementation/config`, config, { qos: 1, retain: true });
      await known;
      await client.endAsync();
      const { outcome } = await bring(lab, { settings: { percentage: 7 } });
      assert.equal(codeOf(outcome), 'CONFIG_UNREADABLE');
      assert.deepEqual(lab.device.patches, []);
    }));

  it('publishes a patch at QoS 1, not retained', () =>
    withLab(broker.url, {}, async (lab) => {
      await bring(lab, { name: 'New' });
      await lab.device.restart();
      assert.deepEqual(lab.device.patches, ['{"name":"New"}']);
    }));

  it('reports sending, received, rebooting and verifying, with a progress that does not fall', () =>
    withLab(broker.url, {}, async (lab) => {
      const { changes } = await bring(lab, { name: 'New' });
      const phases = [...new Set(changes.flatMap(({ phase }) => phase ?? []))];
      assert.deepEqual(phases, ['sending', 'received', 'rebooting', 'verifying']);
      const percents = changes.flatMap(({ percent }) => percent ?? []);
      assert.deepEqual(
        percents,
        [...percents].sort((a, b) => a - b),
      );
    }));

  it('tells late that a busy device has taken the patch, and frees it', () =>
    withLab(broker.url, { statsInterval: 1, misbehavior: { notIdle: true } }, async (lab) => {
      const { outcome, late } = await bring(lab, { name: 'New' }, { ...quick, reboot: 1200 });
      assert.equal(codeOf(outcome), 'NOT_APPLIED');
      assert.throws(() => lab.broker.locks.acquire(lab.device.id, 'next'), { code: 'REBOOT_PENDING' });
      lab.device.setIdle(true);
      const later = await late;
      assert.equal(later && codeOf(later), 'succeeded');
      assert.deepEqual(later?.config?.taken, ['name']);
      assert.equal(lab.broker.locks.isRebootPending(lab.device.id), false);
    }));

  it('tells late that a device has refused the patch, when somebody restarts it', () =>
    withLab(broker.url, { statsInterval: 1 }, async (lab) => {
      const { outcome, late } = await bring(lab, { settings: { percentage: 101 } }, { ...quick, reboot: 1200 });
      assert.equal(codeOf(outcome), 'NOT_APPLIED');
      assert.match('error' in outcome ? outcome.error.hint : '', /settings\.percentage/);
      await lab.device.restart();
      const later = await late;
      assert.equal(later && codeOf(later), 'VALUE_LOST');
      assert.equal(lab.device.patches.length, 1);
    }));

  it('takes a corrected patch at once after one that the sketch refused', () =>
    withLab(broker.url, { statsInterval: 1 }, async (lab) => {
      const abandon = new AbortController();
      const refused = await bring(lab, { settings: { percentage: 101 } }, quick, { abandon: abandon.signal });
      assert.equal(codeOf(refused.outcome), 'NOT_APPLIED');
      abandon.abort();
      await refused.late;
      const { outcome } = await bring(lab, { settings: { percentage: 10 } });
      assert.equal(codeOf(outcome), 'succeeded', 'error' in outcome ? outcome.error.message : '');
      assert.equal(lab.broker.locks.isRebootPending(lab.device.id), false);
    }));

  it('tells nothing late of a patch after which another one was sent, whose reboot it is', () =>
    withLab(broker.url, { statsInterval: 1 }, async (lab) => {
      const refused = await bring(lab, { settings: { percentage: 101 } }, quick);
      assert.equal(codeOf(refused.outcome), 'NOT_APPLIED');
      assert.notEqual(refused.late, undefined);
      const { outcome } = await bring(lab, { settings: { percentage: 10 } });
      assert.equal(codeOf(outcome), 'succeeded');
      assert.equal(await refused.late, undefined);
      assert.equal(lab.broker.locks.isRebootPending(lab.device.id), false);
    }));

  it('does not take another device with the same id for the one that was sent the patch', () =>
    withLab(broker.url, { misbehavior: { neverBack: true } }, async (lab) => {
      const { id } = lab.device;
      const abandon = new AbortController();
      const replace = async (): Promise<SimulatedDevice> => {
        await until(lab, () => lab.broker.registry.get(id)?.state?.value === 'lost');
        const other = new SimulatedDevice({ url: broker.url, id, image: running, mac: '5C:CF:7F:00:00:99' });
        await other.start();
        return other;
      };
      let impostor: Promise<SimulatedDevice> | undefined;
      const onChange = ({ phase }: Change): void => {
        if (phase === 'rebooting') impostor ??= replace();
      };
      const { outcome, late } = await bring(lab, { name: 'New' }, {}, { onChange, abandon: abandon.signal });
      abandon.abort();
      await Promise.all([late, (await impostor)?.stop()]);
      assert.equal(codeOf(outcome), 'OTHER_DEVICE');
    }));

  it('does not take a mere reconnect for a reboot', () =>
    withLab(broker.url, { statsInterval: 1, misbehavior: { notIdle: true } }, async (lab) => {
      const { outcome } = await bring(
        lab,
        { name: 'New' },
        { reboot: 2500 },
        {
          onChange: ({ phase }) => {
            if (phase === 'rebooting') lab.device.dropConnection();
          },
        },
      );
      assert.equal(codeOf(outcome), 'NOT_APPLIED');
    }));

  for (const [what, patch] of Object.entries({
    'a setting': { name: 'New' },
    secrets: { wifi: { password: 'test' } },
  })) {
    it(`does not take a power cut at the publish of ${what} for the reboot after it`, () =>
      withLab(broker.url, { bootDelay: 300 }, async (lab) => {
        let restarted: Promise<void> | undefined;
        const onChange = ({ phase }: Change): void => {
          if (phase === 'sending') restarted = lab.device.restart();
        };
        const { outcome } = await bring(lab, patch, {}, { onChange });
        await restarted;
        assert.deepEqual(lab.device.patches, []);
        assert.equal(codeOf(outcome), 'NOT_RECEIVED');
      }));
  }

  it('is sent at once to a device that sleeps, and judged at a later wake', () =>
    withLab(broker.url, { statsInterval: 1 }, async (lab) => {
      const state = (): unknown => lab.broker.registry.get(lab.device.id)?.state?.value;
      const nap = async (): Promise<void> => {
        const asleep = until(lab, () => state() === 'sleeping');
        lab.device.prepareToSleep();
        await untilTrue(lab.device, 'phase', () => lab.device.phase === 'asleep');
        await asleep;
        await lab.device.wake();
      };
      await nap();
      await until(lab, () => state() === 'ready');
      const woke = performance.now();
      let sentAt = Infinity;
      const napLater = async (): Promise<void> => {
        await new Promise<void>((resolve) => {
          lab.device.on('publish', (topic, value) => topic === '$stats/uptime' && value === '5' && resolve());
        });
        await nap();
      };
      const { outcome } = await bring(
        lab,
        { wifi: { password: 'test' } },
        { reboot: 20_000 },
        {
          onChange: ({ phase }) => {
            if (phase === 'sending') sentAt = performance.now();
            if (phase === 'received') void napLater();
          },
        },
      );
      assert.ok(sentAt - woke < 2_000, `${sentAt - woke} ms`);
      assert.deepEqual([codeOf(outcome), lab.device.patches.length], ['succeeded', 1]);
    }));

  it('waits until a reboot can be shown of a device that has just booted', () =>
    withLab(broker.url, { uptime: 0 }, async (lab) => {
      const { outcome } = await bring(lab, { wifi: { password: 'test' } });
      assert.equal(codeOf(outcome), 'succeeded');
      assert.equal('reboot' in outcome && outcome.reboot, 'proven');
    }));

  it('waits for a device that is offline', () =>
    withLab(broker.url, {}, async (lab) => {
      await lab.lose();
      const waiting = bring(lab, { name: 'New' });
      await lab.device.restart();
      assert.equal(codeOf((await waiting).outcome), 'succeeded');
    }));

  it('sends no further part when it is canceled meanwhile', () =>
    withLab(broker.url, {}, async (lab) => {
      const cancel = new AbortController();
      const patch = { settings: { a: long('a'), b: long('b'), c: long('c') } };
      const { outcome } = await bring(
        lab,
        patch,
        { split: true, secretBytes: 10 },
        { cancel: cancel.signal, onChange: ({ phase }) => phase === 'received' && cancel.abort() },
      );
      assert.equal(outcome.state, 'canceled');
      assert.equal(lab.device.patches.length, 1);
      assert.ok(outcome.config?.taken.includes('settings.a'));
      assert.ok(outcome.config?.untaken.includes('settings.c'));
    }));

  it('keeps the device locked when it is watched no longer, until the device reconnects', () =>
    withLab(broker.url, { misbehavior: { notIdle: true } }, async (lab) => {
      const abandon = new AbortController();
      const { outcome } = await bring(
        lab,
        { name: 'New' },
        {},
        { abandon: abandon.signal, onChange: ({ phase }) => phase === 'received' && abandon.abort() },
      );
      assert.equal(codeOf(outcome), 'ABANDONED');
      assert.equal(lab.broker.locks.isRebootPending(lab.device.id), true);
      lab.device.setIdle(true);
      await untilTrue(lab.broker.registry, 'event', () => !lab.broker.locks.isRebootPending(lab.device.id));
      await until(lab, () => lab.broker.registry.get(lab.device.id)?.state?.value === 'ready');
      assert.equal((await bring(lab, { name: 'Next' })).outcome.state, 'succeeded');
    }));
};
