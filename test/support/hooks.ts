import { DeviceLocks } from '../../src/homie/lock';

/** Resets the locks before the tests: they belong to the process, and an earlier file may have left some behind. */
export const mochaHooks = {
  beforeAll(): void {
    DeviceLocks.reset();
  },
};
