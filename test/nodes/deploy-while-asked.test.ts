import assert from 'node:assert/strict';
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { withDeadline } from '../../src/deadline';
import { HANG_LIMIT } from '../support/limits';

/** Returns the report of a separate process, which would block if Node-RED blocked. */
async function deployed(moment: string, type: string): Promise<unknown> {
  const child = fork(join(__dirname, 'deploy-while-asked.ts'), [moment, type], { execArgv: ['--require', 'tsx/cjs'] });
  try {
    const [told] = await withDeadline(HANG_LIMIT, undefined, (signal) => once(child, 'message', { signal }));
    return told;
  } finally {
    child.kill('SIGKILL');
  }
}

describe('a deploy while a device is asked whether an update was cut off', () => {
  for (const type of ['full', 'nodes']) {
    for (const [moment, dones] of Object.entries({ unacknowledged: 1, unanswered: 1, queued: 2 })) {
      it(`is over at once when the question is ${moment} (${type}), and sends that device nothing more`, async () => {
        const told = await deployed(moment, type);
        const ms = Number(Reflect.get(Object(told), 'ms'));
        assert.ok(ms < 2000, `${ms} ms`);
        assert.deepEqual(told, { ms, dones, images: 0 });
      });
    }
  }
});
