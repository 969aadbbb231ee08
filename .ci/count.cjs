// A mocha reporter: writes what `spec` writes, and adds the numbers of the run as a line to the file $TEST_COUNTS.
const { appendFileSync } = require('node:fs');
const { reporters } = require('mocha');

module.exports = class Count extends reporters.Spec {
  constructor(runner, options) {
    super(runner, options);
    runner.once('end', () => {
      const { passes, failures, pending } = this.stats;
      appendFileSync(process.env.TEST_COUNTS, `${passes} ${failures} ${pending}\n`);
    });
  }
};
