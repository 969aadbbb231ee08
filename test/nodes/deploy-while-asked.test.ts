import assert from 'node:assert/strict';
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { withDeadline } from '../../src/deadline';
import { HANG_LIMIT } from '../support/limits';

describe('a deploy while a device is asked whether an update was cut off', () => {
  let child: ChildProcess;

  // A separate process, which would block if Node-RED blocked.
  before(() => (child = fork(join(__dirname, 'deploy-while-asked.ts'), { execArgv: ['--require', 'tsx/cjs'] })));
  after(() => child.kill('SIGKILL'));

  for (const type of ['full', 'nodes']) {
    for (const [moment, dones] of Object.entries({ unacknowledged: 1, unanswered: 1, queued: 2 })) {
      it(`is over at once when the question is ${moment} (${type}), and sends that device nothing more`, async () => {
        child.send([moment, type]);
        const [told] = await withDeadline(HANG_LIMIT, undefined, (signal) => once(child, 'message', { signal }));
        const ms = Number(Reflect.get(Object(told), 'ms'));
        assert.ok(ms < 2000, `${ms} ms`);
        assert.deepEqual(told, { ms, dones, images: 0 });
      });
    }
  }
});
