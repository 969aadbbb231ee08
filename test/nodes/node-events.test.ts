import assert from 'node:assert/strict';
import { EventEmitter } from 'node:events';
import { KEPT, type Done } from '../../nodes/shared/done';
import { answerMessage, onClose, OpenMessages } from '../../nodes/shared/node-events';
import { HomieError } from '../../src/errors';

/** A node that only logs. */
class Logging extends EventEmitter {
  readonly logged: unknown[] = [];

  error(what: unknown): void {
    this.logged.push(what);
  }

  warn(what: unknown): void {
    this.logged.push(what);
  }
}

/** Closes a node as Node-RED does. Resolves when the node calls `done`. */
const close = (node: Logging): Promise<void> => new Promise((done) => void node.emit('close', false, done));

describe('a node that is closed', () => {
  it('lets Node-RED go on although closing has failed, and logs why', async () => {
    const node = new Logging();
    const failure = new Error('the disk is full');
    onClose(node, () => Promise.reject(failure));
    await close(node);
    assert.deepEqual(node.logged, [failure]);
  });

  it('starts to close at once, and ends when that is done', async () => {
    const node = new Logging();
    const told: string[] = [];
    onClose(node, async () => {
      told.push('started');
      await new Promise(setImmediate);
      told.push('closed');
    });
    const closed = close(node);
    assert.deepEqual(told, ['started']);
    await closed;
    assert.deepEqual(told, ['started', 'closed']);
  });

  it('waits for its answers, also for those that fail', async () => {
    const messages = new OpenMessages();
    const failed = messages.add(
      new Promise((_, reject) => {
        messages.closing.addEventListener('abort', () => reject(new Error('aborted')));
      }),
    );
    messages.abort();
    await messages.ended();
    await assert.rejects(failed, { message: 'aborted' });
  });
});

describe('a message that is answered', () => {
  const answered = async (end: Done | Error): Promise<{ dones: unknown[]; logged: unknown[] }> => {
    const node = new Logging();
    const dones: unknown[] = [];
    const answer = async (): Promise<Done> => {
      if (end instanceof Error && !(end instanceof HomieError)) throw end;
      return end;
    };
    await answerMessage(node, answer, (error) => dones.push(error));
    return { dones, logged: node.logged };
  };

  it('is done with its error, and not before a later node has continued its job', async () => {
    const failed = new HomieError('NO_DEVICE');
    assert.deepEqual(await answered(undefined), { dones: [undefined], logged: [] });
    assert.deepEqual(await answered(failed), { dones: [failed], logged: [] });
    assert.deepEqual(await answered(KEPT), { dones: [], logged: [] });
  });

  it('logs what no catch node would receive, and the cause of an unexpected error', async () => {
    const [abandoned, cause] = [new HomieError('ABANDONED'), new Error('broken')];
    const unexpected = new HomieError('UNEXPECTED', { reason: 'broken' }, { cause });
    assert.deepEqual(await answered(abandoned), { dones: [abandoned], logged: [abandoned.message] });
    assert.deepEqual(await answered(unexpected), { dones: [unexpected], logged: [cause] });
    assert.deepEqual(await answered(cause), { dones: [], logged: [cause] });
  });
});
