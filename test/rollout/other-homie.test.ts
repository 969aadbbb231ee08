import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readPatch } from '../../src/config/patch';
import { checkConfig } from '../../src/config/check-device';
import { Firmware } from '../../src/firmware/firmware';
import { HomieBroker } from '../../src/homie/broker';
import type { Update } from '../../src/update/update';
import { check } from '../../src/ota/check';
import { ConfigJob } from '../../src/rollout/config-job';
import { OtaJob } from '../../src/rollout/ota-job';
import { patient as patientConfig } from '../config/lab';
import { next, patient, sequential } from '../ota/lab';
import { describeWithBrokers, type TestBroker } from '../support/brokers';
import { HANG_LIMIT } from '../support/limits';
import { resetLocks } from '../support/locks';
import { untilTrue } from '../support/until-true';

const checksum = 'd41d8cd98f00b204e9800998ecf8427e';
const sentence =
  /^(\S+: )?\S+ is ready but does not publish \$fw\/checksum; it probably does not run Homie for ESP8266\.$/;
/** Devices expire later than any of these tests takes: an immediate result does not wait for that. */
const hour = { ...sequential, expires: 3_600_000 };

describeWithBrokers('a device that is ready, but publishes no $fw/checksum', (start) => {
  let server: TestBroker;
  let publisher: HomieBroker;
  let broker: HomieBroker;
  let firmware: Firmware;

  before(async () => {
    firmware = await Firmware.from(next);
  });
  beforeEach(async () => {
    server = await start();
    [publisher, broker] = [connect(), connect()];
    publisher.start();
    await publisher.settled();
  });
  afterEach(async () => {
    await Promise.all([publisher.close(), broker.close()]);
    await server.stop();
    resetLocks();
  });

  const connect = (): HomieBroker => new HomieBroker({ url: server.url, protocolVersion: 'auto', baseTopic: 'homie/' });
  const publish = async (topics: Record<string, string>): Promise<void> => {
    for (const [topic, payload] of Object.entries(topics)) {
      await publisher.connection.publish(`homie/${topic}`, payload, { qos: 1, retain: true, timeout: HANG_LIMIT });
    }
  };
  const watchPublishes = async (device: string): Promise<string[]> => {
    const topics: string[] = [];
    publisher.connection.on('message', (topic) => topics.push(topic));
    await publisher.connection.subscribe([`homie/${device}/$implementation/#`]);
    return topics;
  };
  const facts = (device: string): Record<string, string> => ({
    [`${device}/$homie`]: '4.0.0',
    [`${device}/$fw/name`]: 'my-light',
    [`${device}/$implementation`]: 'esp8266',
    [`${device}/$state`]: 'ready',
  });
  const update = (device: string): OtaJob =>
    new OtaJob({ broker, firmware, choice: { devices: [device] }, settings: patient }, hour);
  const runUpdate = async (device: string): Promise<Update | undefined> => (await update(device).run()).devices[0];

  it('is refused by an update at once, for what it is', async () => {
    await publish(facts('other-1'));
    const seen = await watchPublishes('other-1');
    broker.start();
    const result = await runUpdate('other-1');
    assert.equal(result?.state, 'rejected');
    assert.equal(result.error?.code, 'FACTS_MISSING');
    assert.equal(result.error.retryable, false);
    assert.match(result.error.message, sentence);
    const last = 'homie/other-1/$implementation/version';
    await publish({ 'other-1/$implementation/version': '3.0.0' });
    await untilTrue(publisher.connection, 'message', () => seen.includes(last));
    assert.deepEqual(
      seen.filter((topic) => /ota\/firmware|config\/set|reset/.test(topic)),
      [],
    );
  });

  it('is refused when it becomes ready while an update waits for it', async () => {
    broker.start();
    const job = update('other-2');
    const waits = once(job, 'progress');
    const ended = job.run();
    await waits;
    await publish({ 'other-2/$state': 'init', ...facts('other-2') });
    const [result] = (await ended).devices;
    assert.equal(result?.error?.code, 'FACTS_MISSING');
  });

  it('is said by check, which does not call it absent', async () => {
    await publish(facts('other-3'));
    broker.start();
    const { devices } = await check(broker, firmware, { devices: ['other-3'] }, patient);
    assert.equal(devices[0]?.verdict, 'incompatible');
    assert.match(devices[0].reason, sentence);
  });

  it('is refused by a change of its configuration, and by the check of one', async () => {
    await publish({ 'other-4/$implementation/config': '{"name":"Other"}', ...facts('other-4') });
    broker.start();
    const patch = readPatch({ name: 'New' });
    const { devices } = await checkConfig(broker, patch, ['other-4'], patientConfig);
    assert.equal(devices[0]?.verdict, 'rejected');
    assert.match(devices[0].reason, sentence);
    assert.deepEqual([devices[0].messages, devices[0].steps], [0, []]);
    const job = new ConfigJob({ broker, patch, devices: ['other-4'], settings: patientConfig }, hour);
    const [result] = (await job.run()).devices;
    assert.equal(result?.state, 'rejected');
    assert.match(String(result.error?.message), sentence);
  });

  it('is refused, too, where it lacks its configuration, which no patch can be checked against then', async () => {
    await publish({ 'other-5/$fw/checksum': checksum, ...facts('other-5') });
    broker.start();
    const patch = readPatch({ name: 'New' });
    const job = new ConfigJob({ broker, patch, devices: ['other-5'], settings: patientConfig }, hour);
    const [result] = (await job.run()).devices;
    assert.equal(result?.state, 'rejected');
    assert.equal(result.error?.code, 'CONFIG_UNKNOWN');
    assert.match(result.error.message, /ready but does not publish \$implementation\/config/);
  });

  it('is not spoken of while it is offline', async () => {
    await publish({ ...facts('other-6'), 'other-6/$state': 'lost' });
    broker.start();
    const { devices } = await check(broker, firmware, { devices: ['other-6'] }, patient);
    assert.equal(devices[0]?.verdict, 'offline');
    const job = update('other-6');
    const [told] = await once((void job.run(), job), 'progress');
    assert.equal(told.state, 'waiting');
    job.cancel();
    await job.untilIdle();
  });

  it('is not refused where the checksum comes right after the state, as a bridge may pass them on', async () => {
    await publish(facts('other-7'));
    broker.start();
    await broker.settled();
    await publish({ 'other-8/$state': 'ready' });
    const ended = runUpdate('other-8');
    await publish({ ...facts('other-8'), 'other-8/$fw/checksum': firmware.info.md5 });
    assert.equal((await ended)?.reason, 'up_to_date');
  });

  it('is served by a rollout that stays open, once it publishes the checksum', async () => {
    await publish(facts('other-9'));
    broker.start();
    const input = { broker, firmware, choice: { devices: ['other-*'] }, settings: patient };
    const job = new OtaJob(input, { ...hour, continuous: true });
    const refused = once(job, 'result');
    const running = job.run();
    const [first] = await refused;
    assert.equal(first.error?.code, 'FACTS_MISSING');
    const again = once(job, 'result');
    await publish({ 'other-9/$fw/checksum': firmware.info.md5, 'other-9/$state': 'ready' });
    const [second] = await again;
    assert.equal(second.reason, 'up_to_date');
    job.close();
    await running;
  });
});
