const { readdirSync } = require('node:fs');

/** They wait longest, and so start first. */
const longest = [
  'test/brokers/matrix.test.ts',
  'test/rollout/restart.mosquitto.test.ts',
  'test/rollout/restart.aedes.test.ts',
  'test/ota/pending.test.ts',
  'test/rollout/sleeping.test.ts',
  'test/ota/exchange.test.ts',
  'test/ota/during.test.ts',
];

const files = readdirSync('test', { recursive: true })
  .map((file) => `test/${file.replaceAll('\\', '/')}`)
  .filter((file) => file.endsWith('.test.ts') && !file.startsWith('test/e2e/') && !longest.includes(file));

module.exports = {
  require: ['tsx/cjs', './test/support/hooks.ts'],
  spec: [...longest, ...files],
  // Ends hangs. Above HANG_LIMIT in test/support/limits.ts: the wait that hangs says more than mocha.
  timeout: 300_000,
  'forbid-only': true,
  parallel: true,
  jobs: 16,
};
