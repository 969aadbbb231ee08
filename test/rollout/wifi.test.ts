import assert from 'node:assert/strict';
import { readPatch } from '../../src/config/patch';
import { ConfigJob } from '../../src/rollout/config-job';
import { patient } from '../config/lab';
import { running, sequential } from '../ota/lab';
import type { DeviceOptions, SimulatedDevice } from '../simulator/device';
import { describeIf } from '../support/describe-if';
import { mosquittoAvailable } from '../support/mosquitto';
import { Home } from './home';

const MINUTE = 60_000;

describeIf(mosquittoAvailable())('a change of the Wi-Fi network for several devices', () => {
  let home: Home;
  let count = 0;

  beforeEach(async () => {
    home = await Home.open();
  });
  afterEach(() => home.close());

  /** Options of a device that has the new network in reach. */
  const inReach = { anyNetwork: true };
  const add = (options: Partial<DeviceOptions> = {}): Promise<SimulatedDevice> =>
    home.add(`wifi-${(count += 1)}`, { image: running, ...options });
  const change = async (...devices: readonly SimulatedDevice[]): Promise<ConfigJob> => {
    const job = new ConfigJob(
      {
        broker: home.broker,
        patch: readPatch({ wifi: { ssid: 'upstairs', password: 'open-sesame' } }),
        devices: devices.map(({ id }) => id),
        // A device without the new network never comes back.
        settings: { ...patient, reboot: 1_500 },
      },
      { ...sequential, canary: 1, soak: 10 * MINUTE, maxFailures: 1 },
      { clock: home.clock },
    );
    await home.begin(job);
    return job;
  };
  const patches = (...devices: readonly SimulatedDevice[]): number[] => devices.map((device) => device.patches.length);
  const codes = (): (string | undefined)[] => home.results.map(({ state, error }) => error?.code ?? state);

  it('stops before the second one when the first one does not come back', async () => {
    const devices = [await add(), await add(inReach), await add(inReach)];
    const job = await change(...devices);
    const summary = await job.untilIdle();
    assert.equal(summary.state, 'stopped');
    assert.equal(summary.error?.code, 'CANARY_UNSTABLE');
    await home.pass(24 * 60 * MINUTE);
    assert.deepEqual(codes(), ['NOT_BACK']);
    assert.deepEqual(patches(...devices), [1, 0, 0]);
  });

  it('stops when the first one comes back and then stays away', async () => {
    const devices = [await add(inReach), await add(inReach)];
    const job = await change(...devices);
    await home.quiet();
    assert.deepEqual(codes(), ['succeeded']);
    await home.pass(9 * MINUTE);
    assert.deepEqual(patches(...devices), [1, 0]);
    await devices[0]?.stop();
    await home.pass(9 * MINUTE);
    const { state, error } = job.summary();
    assert.deepEqual([state, error?.code], ['stopped', 'CANARY_UNSTABLE']);
    assert.deepEqual(patches(...devices), [1, 0]);
  });

  it('goes on when the first one has stayed there, until one does not come back', async () => {
    const devices = [await add(inReach), await add(inReach), await add(), await add(inReach)];
    const job = await change(...devices);
    await home.pass(9 * MINUTE);
    assert.deepEqual(patches(...devices), [1, 0, 0, 0]);
    await home.pass(MINUTE);
    assert.equal((await job.untilIdle()).state, 'stopped');
    assert.deepEqual(codes(), ['succeeded', 'succeeded', 'NOT_BACK']);
    assert.deepEqual(patches(...devices), [1, 1, 1, 0]);
  });
});
