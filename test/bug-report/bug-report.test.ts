import assert from 'node:assert/strict';
import fc from 'fast-check';
import { writeBugReport } from '../../src/bug-report/bug-report';
import { collectFacts, type Subject } from '../../src/bug-report/facts';
import { HomieError } from '../../src/errors';
import { HomieBroker } from '../../src/homie/broker';
import { configWork } from '../../src/rollout/config-work';
import { rolloutDefaults } from '../../src/rollout/settings';
import { Queue } from '../../src/rollout/queue';
import { configDefaults } from '../../src/config/settings';
import type { Remembered } from '../../src/rollout/store/history-record';
import { reportError } from '../../src/update/update';
import { resetLocks } from '../support/locks';

const versions = { 'node-red-homie-ota': '1.0.0', 'Node-RED': '4.1.0' };

const checksum = 'd41d8cd98f00b204e9800998ecf8427e';

function open(url = 'mqtts://broker.example:8883', more: object = {}): HomieBroker {
  return new HomieBroker({ url, protocolVersion: 'auto', baseTopic: 'homie/', ...more });
}

function tell(broker: HomieBroker, id: string, topics: Readonly<Record<string, string>>): void {
  for (const [topic, text] of Object.entries(topics)) {
    broker.registry.receive(`${broker.baseTopic}${id}/${topic}`, Buffer.from(text), true);
  }
}

function result(device: string, error: HomieError, more: Partial<Remembered> = {}): Remembered {
  return {
    job: '0a1b2c3d-0000-4000-8000-000000000000',
    device,
    state: 'failed',
    progress: 95,
    written: 0,
    total: 0,
    estimated: false,
    from: { name: 'my-light', version: '1.0.0' },
    to: { name: 'my-light', version: '1.1.0', checksum },
    attempt: 2,
    startedAt: '2026-01-02T03:04:05.678Z',
    duration: 61_234,
    error: reportError(error, 'verifying'),
    ...more,
  };
}

function report(broker: HomieBroker, subject: Subject = {}): string {
  return writeBugReport(collectFacts(broker, subject, versions));
}

describe('a bug report', () => {
  afterEach(() => resetLocks());

  it('says what is known of the software, the broker, the device, its jobs and its history', async () => {
    const broker = open();
    tell(broker, 'lamp', {
      $state: 'ready',
      '$fw/name': 'my-light',
      '$fw/version': '1.0.0',
      '$fw/checksum': checksum,
      $implementation: 'esp8266',
      '$implementation/version': '3.0.1',
      '$implementation/ota/enabled': 'true',
      '$stats/uptime': '3600',
    });
    tell(broker, 'hall', { $state: 'lost' });
    const { history, library } = Queue.of(broker);
    const key = `${broker.locks.scope}lamp`;
    const error = new HomieError('OLD_FIRMWARE', {}, { status: '200' });
    await history.begun(key, checksum);
    await history.ended(key, checksum, result('lamp', error));
    await library.exclude(key, true);
    broker.locks.acquire('lamp', 'fedcba98-0000-4000-8000-000000000000');
    await broker.locks.expectReboot('lamp', 'image');
    const text = report(broker, { devices: ['lamp'] });
    for (const line of [
      '- node-red-homie-ota: `1.0.0`',
      '- Address: `mqtts://•••:8883`',
      '- State: `disconnected`',
      '- TLS: `yes`',
      '- WebSocket: `no`',
      '- Base topic: `homie/`',
      '- Devices: `2`, `1 ready`, `1 lost`',
      '#### Device `lamp`',
      '- State: `ready`, `retained`',
      `- Firmware: \`my-light\`, \`1.0.0\`, \`MD5 ${checksum}\``,
      '- Implementation: `esp8266`, `3.0.1`',
      '- OTA enabled: `yes`',
      '- Uptime: `3600 s`, `retained`',
      '- In a job: `fedcba98`',
      '- May still have to boot: `image`',
      '- Excluded from updates: `yes`',
      `- Known image: \`MD5 ${checksum}\`, \`transfers: 1\`, \`held back: OLD_FIRMWARE\``,
      '#### History',
      '- `lamp`: `failed`',
      '  - Job: `0a1b2c3d`',
      '  - Started: `2026-01-02T03:04:05.678Z`, `duration: 61.2 s`, `transfers: 2`',
      '  - Error: `OLD_FIRMWARE`, `verifying`, `200`',
      `    - Message: \`${error.message}\``,
      `    - Hint: \`${error.hint}\``,
    ]) {
      assert.ok(text.split('\n').includes(line), `${line} in\n${text}`);
    }
  });

  it('describes a job with its settings, and the devices that failed before the others', async () => {
    const broker = open();
    const queue = Queue.of(broker);
    const settings = { ...configDefaults, allowRisky: true, secretBytes: 12 };
    const devices = Array.from({ length: 12 }, (_, number) => `device-${number}`);
    const patch = { wifi: { ssid: 'pl4nted', password: 'pl4nted' }, settings: { pl4nted: 'pl4nted' } };
    const work = configWork(
      { patch, devices, settings, rollout: { ...rolloutDefaults, concurrency: 3, exclude: ['pl4nted'] } },
      { broker },
    );
    const { job } = await queue.ask({ node: 'node', store: undefined }, work, {});
    const text = report(broker);
    for (const line of [
      `#### Job \`${job.id.slice(0, 8)}\``,
      '- Change: `configuration`',
      '- Paths: `wifi.ssid`, `wifi.password`, `settings.•••`',
      '- Settings that are not the default (times in ms): `allowRisky: true`, `secretBytes: •••`, `concurrency: 3`, `exclude: 1 in the list`',
    ]) {
      assert.ok(text.split('\n').includes(line), `${line} in\n${text}`);
    }
    assert.doesNotMatch(text, /pl4nted/);
    assert.equal(report(broker, { job: job.id }).includes(`Job \`${job.id.slice(0, 8)}\``), true);
  });

  it('describes a job that only the history knows, and refuses one that nothing knows', async () => {
    const broker = open();
    const { history } = Queue.of(broker);
    const devices = Array.from({ length: 12 }, (_, number) => `device-${number}`);
    for (const device of devices) {
      const { error, ...good } = result(device, new HomieError('OLD_FIRMWARE'));
      const ended =
        device === 'device-11' ? { ...good, ...(error && { error }) } : { ...good, state: 'succeeded' as const };
      await history.remember(`${broker.locks.scope}${device}`, ended);
    }
    const { job } = result('', new HomieError('OLD_FIRMWARE'));
    const text = report(broker, { job });
    assert.match(
      text,
      /- Devices: `12`, (`11 succeeded`, `1 failed`|`1 failed`, `11 succeeded`)\n- `device-11`: `failed`/,
    );
    assert.match(text, /- More devices: `2`/);
    assert.doesNotMatch(text, /#### History/);
    assert.throws(() => report(broker, { job: 'none' }), { code: 'UNKNOWN_JOB' });
    assert.throws(() => report(broker, { devices: ['none'] }), { code: 'DEVICE_UNKNOWN' });
    assert.throws(() => report(broker, { devices: ['a/b'] }), { code: 'INVALID_DEVICE_ID' });
  });

  it('numbers devices whose ids are their MAC addresses', () => {
    const broker = open();
    for (const id of ['5ccf7f000001', '5ccf7f000002']) tell(broker, id, { $state: 'ready' });
    const text = report(broker, { devices: ['5ccf7f000002', '5ccf7f000001'] });
    assert.match(text, /#### Device `•••1`[^]*#### Device `•••2`/);
    assert.doesNotMatch(text, /5ccf7f/);
  });

  it('is only text, whatever devices publish', () => {
    const broker = open();
    const strange = 'a`b\n# c <img src=x> @everyone [d](http://e)';
    tell(broker, 'lamp', { $state: 'ready', '$fw/name': strange, '$fw/checksum': checksum });
    const text = report(broker, { devices: ['lamp'] });
    assert.ok(text.includes("- Firmware: `a'b\u{FFFD}# c <img src=x> @everyone [d](http://e)`"), text);
  });

  it('shows the port of the broker, unless it comes from an environment variable', () => {
    for (const [url, shownUrl, shown] of [
      ['mqtt://broker.example', undefined, 'mqtt://•••'],
      ['ws://broker.example:9001/path:7', undefined, 'ws://•••:9001'],
      ['mqtt://user:12345@broker.example', undefined, 'mqtt://•••'],
      ['mqtt://[fe80::1]:1884', undefined, 'mqtt://•••:1884'],
      ['wss://broker.example:4444', 'wss://${HOST}:${PORT}', 'wss://•••'],
      ['mqtt://broker.example:1883', 'mqtt://${HOST}:1883', 'mqtt://•••:1883'],
    ] as const) {
      const text = report(open(url, shownUrl === undefined ? {} : { shownUrl }));
      assert.ok(text.includes(`- Address: \`${shown}\`\n`), `${url}\n${text}`);
    }
  });

  it('contains no secret of the broker, of a device, of a configuration, of a patch or of an error', async () => {
    const secret = fc.stringMatching(/^[g-z]{12,20}$/);
    await fc.assert(
      fc.asyncProperty(secret, fc.nat(255), async (planted, byte) => {
        const ip = `10.20.30.${byte}`;
        const mac = `5C:CF:7F:00:00:${byte.toString(16).padStart(2, '0').toUpperCase()}`;
        const broker = open(`mqtt://${planted}.example:1883`, {
          username: planted,
          password: `${planted}2`,
          clientId: planted,
          tls: { passphrase: planted, servername: planted },
          shownBaseTopic: '${SITE}/',
        });
        const config = {
          name: planted,
          wifi: { ssid: planted, bssid: mac },
          mqtt: { host: planted, username: planted, base_topic: planted },
          settings: { [planted]: planted },
        };
        tell(broker, 'lamp', {
          $state: 'ready',
          $mac: mac,
          $localip: ip,
          $name: planted,
          '$fw/name': 'my-light',
          '$fw/checksum': checksum,
          '$implementation/config': JSON.stringify(config),
          '$implementation/config/set': JSON.stringify(config),
        });
        const queue = Queue.of(broker);
        const url = `mqtt://${planted}.example:1883`;
        const errors = [
          new HomieError('BROKER_UNREACHABLE.unknownHost', { url }),
          new HomieError('NOT_CONNECTED.noConnectionBecause', {
            why: new HomieError('BROKER_TLS.answered', { url }).text,
          }),
          new HomieError('NOT_CONNECTED.noConnectionBecause', { why: `No connection to ${planted}.` }),
          new HomieError('VALUE_LOST.rebooted', {
            lost: [{ key: 'phrases.lostValue', values: { path: `settings.${planted}`, expected: planted, got: byte } }],
          }),
          new HomieError('FOLDER_UNREADABLE.missing', { folder: `/home/${planted}` }),
          new HomieError('NOT_APPLIED.sketch', { settings: [`settings.${planted}`] }),
          new HomieError('UNEXPECTED', { reason: planted }, { message: planted, hint: planted }),
        ];
        for (const [index, error] of errors.entries()) {
          const ended = result(`lamp-${index}`, error, { node: { id: planted, name: planted } });
          await queue.history.remember(`${broker.locks.scope}${ended.device}`, ended);
        }
        const rolled = { ...rolloutDefaults, exclude: [planted] };
        const settings = { ...configDefaults, secretNames: [planted] };
        const work = configWork({ patch: config, devices: ['lamp'], settings, rollout: rolled }, { broker });
        await queue.ask({ node: planted, store: undefined }, work, {});
        for (const subject of [{}, { devices: ['lamp'] }, { job: result('', new HomieError('UNEXPECTED')).job }]) {
          const text = report(broker, subject);
          for (const hidden of [planted, ip, mac, mac.toLowerCase().replaceAll(':', '')]) {
            assert.ok(!text.includes(hidden), `${hidden} in\n${text}`);
          }
        }
        resetLocks();
      }),
      { numRuns: 50 },
    );
  });
});
