import assert from 'node:assert/strict';
import { connectAsync } from 'mqtt';
import type { MoveReport, Outcome } from '../../src/update/update';
import { codeOf, running } from '../ota/lab';
import { SimulatedDevice } from '../simulator/device';
import { startAedes, startExactAedes, type AedesBroker } from '../support/aedes';
import { describeWithBrokers, type TestBroker } from '../support/brokers';
import { amidGarbageCollection } from '../support/garbage';
import { retainedTopics } from '../support/retained';
import { bring, quick, until, withLab } from './lab';

const moveOf = ({ config }: Outcome): MoveReport => config?.moved?.[0] ?? assert.fail('it did not move');

describeWithBrokers('a device that moves to other topics', (start) => {
  let broker: TestBroker;
  beforeEach(async () => (broker = await start()));
  afterEach(() => broker?.stop());

  const retained = (): Promise<string[]> => retainedTopics(broker.url);

  it('is followed to another id, and what it leaves is named', () =>
    withLab(broker.url, { id: 'old' }, async (lab) => {
      const { outcome } = await bring(lab, { device_id: 'new' });
      assert.equal(codeOf(outcome), 'succeeded');
      const { from, to, retained: left, cleared } = moveOf(outcome);
      assert.deepEqual({ from, to, cleared }, { from: 'homie/old', to: 'homie/new', cleared: [] });
      assert.ok(left.includes('homie/old/$state') && left.includes('homie/old/light/on/$name'));
      assert.ok(left.every((topic) => topic.startsWith('homie/old/')));
      assert.ok((await retained()).includes('homie/old/$state'));
    }));

  it('is followed to another base topic, and the second connection is closed after that', () =>
    withLab(broker.url, { id: 'lamp' }, async (lab) => {
      const { outcome } = await bring(lab, { mqtt: { base_topic: 'upstairs/left/' } });
      assert.equal(codeOf(outcome), 'succeeded');
      assert.equal(moveOf(outcome).to, 'upstairs/left/lamp');
      assert.equal(lab.device.baseTopic, 'upstairs/left/');
    }));

  it('is followed to another id and then to another base topic', () =>
    withLab(broker.url, { id: 'lamp' }, async (lab) => {
      const patch = {
        settings: { a: 'a'.repeat(120), b: 'b'.repeat(120) },
        device_id: 'lamp-2',
        mqtt: { base_topic: 'garden/' },
      };
      const { outcome } = await bring(lab, patch, { split: true, secretBytes: 10, clearOld: true });
      assert.equal(codeOf(outcome), 'succeeded', 'error' in outcome ? outcome.error.message : '');
      assert.deepEqual(
        outcome.config?.moved?.map(({ from, to }) => [from, to]),
        [
          ['homie/lamp', 'garden/lamp-2'],
          ['homie/lamp-2', 'garden/lamp-2'],
        ],
      );
      assert.deepEqual(
        (await retained()).filter((topic) => !topic.startsWith('garden/')),
        [],
      );
    }));

  it('falls back to its MAC address when its id is removed', () =>
    withLab(broker.url, { id: 'lamp', mac: '5C:CF:7F:00:00:01' }, async (lab) => {
      const { outcome } = await bring(lab, { device_id: null });
      assert.equal(codeOf(outcome), 'succeeded');
      assert.equal(moveOf(outcome).to, 'homie/5ccf7f000001');
    }));

  it('has its old topics cleared, and nothing of other devices', () =>
    withLab(broker.url, { id: 'lamp' }, async (lab) => {
      const client = await connectAsync(broker.url, { protocolVersion: 4 });
      const others = ['homie/lamp/inner/$homie', 'homie/lamp/inner/$name', 'homie/lamp-x/$name', 'elsewhere/lamp/x'];
      for (const topic of others) await client.publishAsync(topic, 'other', { retain: true, qos: 1 });
      await client.endAsync();
      // The new tree lies below the old one.
      const { outcome } = await bring(lab, { mqtt: { base_topic: 'homie/lamp/' } }, { clearOld: true });
      assert.equal(codeOf(outcome), 'succeeded');
      const move = moveOf(outcome);
      assert.equal(move.kept, undefined);
      assert.deepEqual([...move.cleared].sort(), move.retained);
      const left = await retained();
      assert.deepEqual(left.filter((topic) => !topic.startsWith('homie/lamp/lamp/')).sort(), [...others].sort());
      assert.ok(left.includes('homie/lamp/lamp/$state'));
    }));

  it('keeps its old topics when somebody takes the old place meanwhile', () =>
    withLab(broker.url, { id: 'lamp', misbehavior: { neverBack: true } }, async (lab) => {
      const heir = new SimulatedDevice({ url: broker.url, id: 'lamp', image: running });
      try {
        let inherited: Promise<void> | undefined;
        const inherit = async (): Promise<void> => {
          await heir.start();
          await lab.device.restart();
        };
        const { outcome } = await bring(
          lab,
          { device_id: 'lamp-2' },
          { clearOld: true, ready: 1500 },
          {
            onChange: ({ phase }) => {
              if (phase === 'rebooting') inherited ??= inherit();
            },
          },
        );
        await inherited;
        assert.equal(codeOf(outcome), 'succeeded');
        const { cleared, kept } = moveOf(outcome);
        assert.deepEqual(cleared, []);
        assert.match(kept ?? '', /\$state/);
        assert.ok((await retained()).includes('homie/lamp/$state'));
      } finally {
        await heir.stop();
      }
    }));

  it('is refused an id or a place that another device has', () =>
    withLab(broker.url, { id: 'lamp' }, async (lab) => {
      const client = await connectAsync(broker.url, { protocolVersion: 4 });
      for (const root of ['homie/taken', 'garden/lamp']) {
        await client.publishAsync(`${root}/$mac`, '5C:CF:7F:00:00:02', { retain: true, qos: 1 });
        await client.publishAsync(`${root}/$state`, 'lost', { retain: true, qos: 1 });
      }
      await client.endAsync();
      await until(lab, () => lab.broker.registry.get('taken')?.state !== undefined);
      for (const patch of [{ device_id: 'taken' }, { mqtt: { base_topic: 'garden/' } }]) {
        const { outcome } = await bring(lab, patch);
        assert.deepEqual([outcome.state, codeOf(outcome)], ['rejected', 'DEVICE_ID_TAKEN']);
      }
      assert.deepEqual(lab.device.patches, []);
    }));

  it('is NOT_APPLIED when it stays in its old place, and late when it moves after all', () =>
    withLab(broker.url, { id: 'lamp', statsInterval: 1, misbehavior: { notIdle: true } }, async (lab) => {
      const { outcome, late } = await bring(lab, { mqtt: { base_topic: 'garden/' } }, { ...quick, reboot: 1500 });
      assert.equal(codeOf(outcome), 'NOT_APPLIED');
      assert.equal(lab.broker.locks.isRebootPending('lamp'), true);
      lab.device.setIdle(true);
      const later = await late;
      assert.equal(later && codeOf(later), 'succeeded');
      assert.equal(lab.broker.locks.isRebootPending('lamp'), false);
    }));

  it('takes a corrected patch of another job at once after it refused to move', () =>
    withLab(broker.url, { id: 'fix', statsInterval: 1 }, async (lab) => {
      const [abandon, move] = [new AbortController(), { device_id: 'fix-2', mqtt: { base_topic: 'garden/' } }];
      const refused = await bring(lab, { ...move, settings: { percentage: 101 } }, quick, { abandon: abandon.signal });
      assert.equal(codeOf(refused.outcome), 'NOT_APPLIED');
      assert.equal(lab.broker.locks.isRebootPending('fix'), true);
      const { outcome } = await bring(lab, { ...move, settings: { percentage: 42 } }, {}, { job: 'another' });
      assert.equal(codeOf(outcome), 'succeeded', 'error' in outcome ? outcome.error.message : '');
      abandon.abort();
      await refused.late;
    }));

  it('is NOT_BACK when it leaves and is seen nowhere', () =>
    withLab(broker.url, { id: 'stray', misbehavior: { neverBack: true } }, async (lab) => {
      const abandon = new AbortController();
      const { outcome, late } = await bring(lab, { device_id: 'stray-2' }, quick, { abandon: abandon.signal });
      abandon.abort();
      await late;
      assert.equal(codeOf(outcome), 'NOT_BACK');
    }));

  it('may go back to a place that it left', () =>
    withLab(broker.url, { id: 'lamp' }, async (lab) => {
      assert.equal(codeOf((await bring(lab, { device_id: 'lamp-2' })).outcome), 'succeeded');
      await until(lab, () => lab.broker.registry.get('lamp-2')?.state?.value === 'ready');
      assert.equal(codeOf((await bring(lab, { device_id: 'lamp' })).outcome), 'succeeded');
    }));
});

describe('a device that moves to another base topic', () => {
  it('is sent nothing when the broker refuses the second connection to see it there', async () => {
    const broker = await startAedes();
    try {
      await withLab(broker.url, { id: 'lamp' }, async (lab) => {
        broker.aedes.authenticate = (_client, _user, _password, done) => done(null, false);
        const { outcome } = await amidGarbageCollection(bring(lab, { mqtt: { base_topic: 'garden/' } }));
        assert.deepEqual([outcome.state, codeOf(outcome)], ['rejected', 'NOT_CONNECTED']);
        assert.deepEqual(lab.device.patches, []);
      });
    } finally {
      await broker.close();
    }
  });
});

describe('a device that moves at a broker that delivers what is retained for exact topics only', () => {
  let broker: AedesBroker;
  beforeEach(async () => (broker = await startExactAedes()));
  afterEach(() => broker.close());

  it('is refused an id or a place that another device has', async () => {
    const client = await connectAsync(broker.url, { protocolVersion: 4 });
    for (const root of ['homie/taken', 'garden/lamp']) {
      await client.publishAsync(`${root}/$mac`, '5C:CF:7F:00:00:02', { retain: true, qos: 1 });
      await client.publishAsync(`${root}/$state`, 'lost', { retain: true, qos: 1 });
    }
    await client.endAsync();
    await withLab(broker.url, { id: 'lamp' }, async (lab) => {
      for (const patch of [{ device_id: 'taken' }, { mqtt: { base_topic: 'garden/' } }]) {
        const { outcome } = await bring(lab, patch);
        assert.deepEqual([outcome.state, codeOf(outcome)], ['rejected', 'DEVICE_ID_TAKEN']);
      }
      assert.deepEqual(lab.device.patches, []);
    });
  });

  it('is followed, and it is said that what it leaves cannot be found', () =>
    withLab(broker.url, { id: 'lamp' }, async (lab) => {
      const { outcome } = await bring(lab, { device_id: 'lamp-2' }, { clearOld: true });
      assert.equal(codeOf(outcome), 'succeeded');
      const { retained, cleared, kept } = moveOf(outcome);
      assert.deepEqual([retained, cleared], [[], []]);
      assert.match(kept ?? '', /exact topics only/);
    }));
});
