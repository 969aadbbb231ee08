import { takeCoverage } from 'node:v8';
import { resetLocks } from './locks';

export const mochaHooks = {
  /** Resets the locks before the tests: they belong to the process, and an earlier file may have left some behind. */
  beforeAll(): void {
    resetLocks();
  },
  /** Writes the coverage so far: mocha kills a worker that takes more than a second to write it at its end. */
  afterAll(): void {
    if (process.env['NODE_V8_COVERAGE'] !== undefined) takeCoverage();
  },
};
