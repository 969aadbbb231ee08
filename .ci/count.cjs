// A mocha reporter: writes what `spec` writes, adds the numbers of the run as a line to the file $TEST_COUNTS, and what
// has failed to the file $TEST_FAILURES.
const { appendFileSync } = require('node:fs');
const { reporters } = require('mocha');

module.exports = class Count extends reporters.Spec {
  constructor(runner, options) {
    super(runner, options);
    runner.on('fail', (test, error) => {
      appendFileSync(process.env.TEST_FAILURES, `${test.fullTitle()}\n${error.stack ?? error}\n\n`);
    });
    runner.once('end', () => {
      const { passes, failures, pending } = this.stats;
      appendFileSync(process.env.TEST_COUNTS, `${passes} ${failures} ${pending}\n`);
    });
  }
};
