import assert from 'node:assert/strict';
import fc from 'fast-check';
import type { JsonObject } from '../../src/config/json';
import { readPatch } from '../../src/config/patch';
import { checkConfig } from '../../src/config/check-device';
import { codeOf } from '../ota/lab';
import { startAedes } from '../support/aedes';
import { Configuration } from '../simulator/configuration';
import { file, largePatch, patch } from './arbitraries';
import { bring, patient, withLab } from './lab';
import { parse, publishedText } from './recordings';

/** What could take the device off this broker. */
const OUT_OF_REACH = ['wifi', 'mqtt'];

const plain: JsonObject = {
  name: 'Lamp',
  wifi: { ssid: 'net', password: 'secret' },
  mqtt: { host: 'broker', port: 1883 },
  ota: { enabled: true },
};

describe('what check predicts', () => {
  it('is what the device has after set, for any configuration and any patch', async () => {
    const settings = { ...patient, split: true, secretBytes: 100, secretNames: [] };
    const verdicts = new Set<string>();

    const holds = async (content: JsonObject, change: JsonObject): Promise<void> => {
      const id = 'lamp';
      const config = JSON.stringify({ ...content, device_id: id });
      fc.pre(new Configuration(config, {}).loadable);
      // What one device leaves behind must not meet the next one.
      const broker = await startAedes();
      try {
        await withLab(broker.url, { id, config, settings: {}, bootDelay: 1 }, async ({ broker: ours, device }) => {
          const sent = readPatch(without(change, OUT_OF_REACH));
          const [predicted] = (await checkConfig(ours, sent, [id], settings)).devices;
          const { outcome } = await bring({ broker: ours, device }, sent, settings);
          verdicts.add(predicted?.verdict ?? '');
          if (predicted?.verdict === 'set' || predicted?.verdict === 'unknown') {
            assert.equal(codeOf(outcome), 'succeeded', JSON.stringify(outcome));
            assert.deepEqual(parse(publishedText(device.file)), predicted.after);
            assert.equal(device.patches.length, predicted.messages);
          } else {
            assert.equal(outcome.state, predicted?.verdict === 'no_change' ? 'skipped' : 'rejected');
            assert.equal(device.file, config);
          }
        });
      } finally {
        await broker.close();
      }
    };

    await fc.assert(fc.asyncProperty(file, fc.oneof(patch, largePatch), holds), {
      numRuns: 15,
      // One of each kind, whatever is drawn.
      examples: [
        [plain, { name: 'Hall' }],
        [plain, { device_stats_interval: 0 }],
      ],
      endOnFailure: true,
      interruptAfterTimeLimit: 18_000,
      markInterruptAsFailure: false,
    });
    assert.ok(verdicts.has('rejected') && (verdicts.has('set') || verdicts.has('unknown')), [...verdicts].join());
  });
});

function without(object: JsonObject, keys: readonly string[]): JsonObject {
  return Object.fromEntries(Object.entries(object).filter(([key]) => !keys.includes(key)));
}
