import { DeviceLocks } from '../../src/homie/lock';

/** Runs before each file: the locks are those of the process, and a file before it may have left some behind. */
export const mochaHooks = {
  beforeAll(): void {
    DeviceLocks.reset();
  },
};
