const { readdirSync } = require('node:fs');
const { totalmem } = require('node:os');

/** They wait longest, and so start first. */
const longest = [
  'test/ota/exchange.test.ts',
  'test/ota/fork.test.ts',
  'test/brokers/matrix.test.ts',
  'test/rollout/restart.mosquitto.test.ts',
  'test/rollout/restart.aedes.test.ts',
  'test/config/exchange.mosquitto.test.ts',
  'test/config/exchange.aedes.test.ts',
  'test/config/broker-restart.test.ts',
  'test/ota/pending-reconnect.test.ts',
  'test/config/relocation.test.ts',
  'test/ota/during.test.ts',
  'test/ota/retained-firmware.test.ts',
  'test/ota/broker-outage.test.ts',
  'test/ota/broker-restart.test.ts',
  'test/ota/pending.test.ts',
  'test/devices/forget.test.ts',
  'test/rollout/config-job.test.ts',
  'test/attacks/device.test.ts',
  'test/ota/silent.test.ts',
  'test/rollout/turn.test.ts',
];

const files = readdirSync('test', { recursive: true })
  .map((file) => `test/${file.replaceAll('\\', '/')}`)
  .filter((file) => file.endsWith('.test.ts') && !file.startsWith('test/e2e/') && !longest.includes(file));

/** Most tests wait for simulated devices. A process takes up to 300 MB. */
const jobs = Math.max(2, Math.min(16, Math.floor(totalmem() / 400e6)));

module.exports = {
  // The processes share few cores, where threads that help each of them cost more than they gain.
  'node-option': ['v8-pool-size=0'],
  require: ['tsx/cjs', './test/support/hooks.ts'],
  spec: [...longest, ...files],
  // Ends hangs. Above HANG_LIMIT in test/support/limits.ts: the wait that hangs says more than mocha.
  timeout: 300_000,
  'forbid-only': true,
  parallel: true,
  jobs,
};
