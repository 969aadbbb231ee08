import assert from 'node:assert/strict';
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { withDeadline } from '../../src/deadline';
import { HANG_LIMIT } from '../support/limits';

describe('a patch in several parts', () => {
  it('ends when its device is given up while the second part is written down, and is not sent any further', async () => {
    const child = fork(join(__dirname, 'closing.ts'), { execArgv: ['--require', 'tsx/cjs'] });
    try {
      const [outcome] = await withDeadline(HANG_LIMIT, undefined, (signal) => once(child, 'message', { signal }));
      assert.deepEqual(outcome, ['failed', 'ABANDONED', 1]);
    } finally {
      child.kill('SIGKILL');
    }
  });
});
