import assert from 'node:assert/strict';
import { once } from 'node:events';
import { setImmediate } from 'node:timers/promises';
import { withDeadline } from '../src/deadline';
import { unlessAborted } from '../src/unless-aborted';
import { amidGarbageCollection } from './support/garbage';

const never = new AbortController().signal;

/** Does nothing until its signal is aborted. */
const idle = (signal: AbortSignal): Promise<undefined> =>
  unlessAborted(signal, new Promise<undefined>(() => undefined));

const reasonOf = (signal: AbortSignal): unknown =>
  signal.reason instanceof Error ? signal.reason.name : signal.reason;

describe('A deadline', () => {
  it('ends what waits for nothing else, whatever is garbage-collected meanwhile', async () => {
    const work = withDeadline(300, never, async (signal) => {
      await idle(signal);
      return reasonOf(signal);
    });
    assert.equal(await amidGarbageCollection(work), 'TimeoutError');
  });

  it('passes on the reason of the signal that it is given', async () => {
    const stop = new AbortController();
    const work = withDeadline(60_000, stop.signal, async (signal) => {
      await idle(signal);
      return reasonOf(signal);
    });
    stop.abort('stopped');
    assert.equal(await work, 'stopped');
  });

  it('leaves no timer behind when the work has ended or failed', async () => {
    const timers = (): number => process.getActiveResourcesInfo().filter((kind) => kind === 'Timeout').length;
    // Mocha starts its own when the test waits for the first time.
    await setImmediate();
    const before = timers();
    assert.equal(await withDeadline(60_000, undefined, async () => 'done'), 'done');
    await assert.rejects(
      withDeadline(60_000, never, async () => {
        throw new Error('failed');
      }),
      /failed/,
    );
    assert.equal(timers(), before);
  });

  it('is over when the signal that it is given has been aborted before', async () => {
    const work = withDeadline(60_000, AbortSignal.abort('stopped'), (signal) => once(process, 'never', { signal }));
    await assert.rejects(work, { name: 'AbortError', cause: 'stopped' });
  });
});
