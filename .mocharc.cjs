const { readdirSync } = require('node:fs');
const { totalmem } = require('node:os');

/** They wait longest, and so start first. */
const longest = [
  'test/ota/pending.test.ts',
  'test/ota/exchange.test.ts',
  'test/brokers/matrix.test.ts',
  'test/rollout/sleeping.test.ts',
  'test/rollout/restart.mosquitto.test.ts',
  'test/rollout/restart.aedes.test.ts',
  'test/config/exchange.mosquitto.test.ts',
  'test/config/exchange.aedes.test.ts',
  'test/config/relocation.test.ts',
  'test/ota/during.test.ts',
  'test/ota/retained-firmware.test.ts',
  'test/ota/broker-outage.test.ts',
  'test/ota/broker-restart.test.ts',
  'test/nodes/memory.test.ts',
];

const files = readdirSync('test', { recursive: true })
  .map((file) => `test/${file.replaceAll('\\', '/')}`)
  .filter((file) => file.endsWith('.test.ts') && !file.startsWith('test/e2e/') && !longest.includes(file));

/** Most tests wait for simulated devices. A process takes up to 300 MB. */
const jobs = Math.max(2, Math.min(16, Math.floor(totalmem() / 400e6)));

module.exports = {
  require: ['tsx/cjs', './test/support/hooks.ts'],
  spec: [...longest, ...files],
  // Ends hangs. Above HANG_LIMIT in test/support/limits.ts: the wait that hangs says more than mocha.
  timeout: 300_000,
  'forbid-only': true,
  parallel: true,
  jobs,
};
