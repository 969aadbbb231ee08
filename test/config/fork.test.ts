/** Configuration changes of devices with the maintained fork, labodj/homie-esp8266. */
import assert from 'node:assert/strict';
import { checkPatch } from '../../src/config/check';
import { rewriteNumbers } from '../../src/config/numbers';
import { codeOf } from '../ota/lab';
import { describeWithBrokers, type TestBroker } from '../support/brokers';
import { dialects } from '../support/dialects';
import { bring, withLab } from './lab';

describeWithBrokers('the configuration of a device of version 4 of the maintained fork', (start) => {
  let broker: TestBroker;
  before(async () => (broker = await start()));
  after(() => broker?.stop());

  it('keeps numbers in double precision, and takes a long interval of statistics', () =>
    withLab(broker.url, { dialect: '4' }, async (lab) => {
      const patch = { device_stats_interval: 3600, settings: { ratio: 8.68, other: 893.289123 } };
      const { outcome } = await bring(lab, patch);
      assert.equal(codeOf(outcome), 'succeeded', 'error' in outcome ? outcome.error.message : '');
      const again = await bring(lab, patch);
      assert.equal(codeOf(again.outcome), 'no_change');
    }));

  it('is refused TLS, and a base topic or an id with which the device would not start', () =>
    withLab(broker.url, { dialect: '4' }, async (lab) => {
      for (const [patch, code] of [
        [{ mqtt: { ssl: true } }, 'CONFIG_RULE'],
        [{ mqtt: { ssl_fingerprint: 'A'.repeat(40) } }, 'CONFIG_RULE'],
        [{ mqtt: { base_topic: 'home/iot/' } }, 'CONFIG_HARM'],
        [{ mqtt: { base_topic: 'Home/' } }, 'CONFIG_HARM'],
        [{ device_id: 'light-' }, 'CONFIG_HARM'],
        [{ mqtt: { effective_base_topic: 'homie/5/' } }, 'CONFIG_RULE'],
      ] as const) {
        const { outcome } = await bring(lab, patch);
        assert.equal(codeOf(outcome), code, JSON.stringify(patch));
      }
      assert.deepEqual(lab.device.patches, []);
      assert.equal(codeOf((await bring(lab, { mqtt: { ssl: false } })).outcome), 'succeeded');
    }));
});

describeWithBrokers('the configuration of a device of convention 5', (start) => {
  let broker: TestBroker;
  before(async () => (broker = await start()));
  after(() => broker?.stop());

  it('is changed without its effective base topic, and followed to another base topic', () =>
    withLab(broker.url, { convention: 5, id: 'lamp' }, async (lab) => {
      assert.match(lab.broker.registry.get('lamp')?.config?.value ?? '', /effective_base_topic/);
      const named = await bring(lab, { name: 'Lamp' });
      assert.equal(codeOf(named.outcome), 'succeeded');
      const { outcome } = await bring(lab, { mqtt: { base_topic: 'other/' } });
      assert.equal(codeOf(outcome), 'succeeded', 'error' in outcome ? outcome.error.message : '');
      assert.equal(outcome.config?.moved?.[0]?.to, 'other/5/lamp');
    }));
});

describe('checking a patch for the maintained fork', () => {
  const CONFIG = JSON.stringify({
    name: 'Lamp',
    device_id: 'lamp',
    wifi: { ssid: 'net' },
    mqtt: { host: 'broker', base_topic: 'homie/' },
    ota: { enabled: true },
    settings: { brightness: 42 },
  });

  it('says that a patch of more than 4,096 bytes would be dropped', () => {
    const patch = { settings: { brightness: 'x'.repeat(4_090) } };
    const keys = (dialect: keyof typeof dialects): string[] =>
      checkPatch({ config: CONFIG, patch, dialect: dialects[dialect] }).problems.map(({ error }) => error.key);
    assert.ok(keys('fork4').includes('PATCH_TOO_LARGE.dropped'));
    assert.ok(keys('original').includes('PATCH_TOO_LARGE.bytes'));
  });

  it('allows nine digits where the device keeps them, and six where it does not', () => {
    const codes = (value: number, dialect: keyof typeof dialects): string[] =>
      checkPatch({ config: CONFIG, patch: { settings: { value } }, dialect: dialects[dialect] }).problems.map(
        ({ code }) => code,
      );
    assert.deepEqual(codes(893.289123, 'fork4'), []);
    assert.deepEqual(codes(893.289123, 'fork37'), ['NUMBER_PRECISION']);
    assert.deepEqual(codes(893.2891234567, 'fork4'), ['NUMBER_PRECISION']);
  });

  it('foresees numbers in double precision', () => {
    for (const [sent, written] of [
      ['8.68', '8.68'],
      ['893.289123', '893.289123'],
      ['0.00001', '1e-5'],
      ['1e10', '1e10'],
      ['42', '42'],
    ] as const) {
      assert.equal(rewriteNumbers(sent, 'double'), written);
    }
  });
});
