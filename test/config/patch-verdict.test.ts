import assert from 'node:assert/strict';
import {
  judgeSleeper,
  judgeUnproven,
  notReceived,
  unanswered,
  type PatchVerdict,
} from '../../src/config/patch-verdict';
import { HomieError } from '../../src/errors';

type Shown = Parameters<typeof judgeSleeper>[0];

/** The device shows that it has taken one of the values, and nothing that it lost. */
const taken: Shown = { visible: true, isAsBefore: false, taken: ['name'], lost: [] };
const lost: Shown = { ...taken, lost: [{ path: 'mqtt.port', expected: 1883, got: null }] };
const asBefore: Shown = { visible: true, isAsBefore: true, taken: [], lost: [] };
const invisible: Shown = { visible: false, isAsBefore: true, taken: [], lost: [] };

/** Returns an end in short. */
function short(end: PatchVerdict | undefined): unknown {
  if (end?.kind !== 'failed') return end;
  const { error, open, unproven } = end;
  return [error.key, open ?? 'nothing to boot', ...(unproven ? ['unproven'] : [])];
}

describe('the verdict on a patch without a proven reboot', () => {
  for (const [title, shown, live, expected] of [
    ['waits on while the configuration is as before', asBefore, true, undefined],
    [
      'is that the reboot is unproven when the configuration is as expected',
      taken,
      true,
      ['REBOOT_UNPROVEN.noUptime', 'nothing to boot', 'unproven'],
    ],
    ['is unconfirmed when only retained topics show it', taken, false, ['UNCONFIRMED.config', 'flashed']],
    ['is that values were lost', lost, false, ['VALUE_LOST.cameBack', 'nothing to boot', 'unproven']],
    [
      'is that the reboot is unproven when no configuration can show the change',
      invisible,
      true,
      ['REBOOT_UNPROVEN.noUptime', 'nothing to boot', 'unproven'],
    ],
  ] as const) {
    it(title, () => assert.deepEqual(short(judgeUnproven(shown, live)), expected));
  }
});

describe('the verdict on a patch to a sleeping device', () => {
  for (const [title, shown, expected] of [
    ['waits on while the configuration is as before', asBefore, undefined],
    ['waits on when no configuration can show the change', { ...invisible, isAsBefore: false }, undefined],
    ['is that the patch is taken when the configuration is as expected', taken, { kind: 'taken', unproven: true }],
    ['is that values were lost, which the next wake applies', lost, ['VALUE_LOST.cameBack', 'flashed', 'unproven']],
  ] as const) {
    it(title, () => assert.deepEqual(short(judgeSleeper(shown)), expected));
  }

  it('names what was taken and what was lost', () => {
    const end = judgeSleeper(lost);
    assert.ok(end?.kind === 'failed');
    assert.deepEqual([end.taken, end.lost], [lost.taken, lost.lost]);
  });
});

describe('why a patch was not received', () => {
  const why = new HomieError('BROKER_UNREACHABLE.lost', { url: 'mqtt://broker' });
  it('is the acknowledgement, the connection, or that nobody subscribes', () => {
    const sent = { noSubscribers: false };
    assert.equal(unanswered(sent).key, 'NOT_RECEIVED');
    assert.equal(unanswered({ noSubscribers: true }).key, 'NOT_RECEIVED.noSubscriber');
    const timeout = new HomieError('PUBLISH_TIMEOUT');
    assert.equal(unanswered({ ...sent, error: timeout }).key, 'NOT_RECEIVED.unacknowledged');
    const cut = new HomieError('CONNECTION_LOST', undefined, { cause: why });
    assert.equal(unanswered({ ...sent, error: cut }).key, 'NOT_RECEIVED.whileSending');
    assert.ok(unanswered({ ...sent, error: cut }).message.includes(why.message));
  });

  it('is the lost connection, with the reason that is known', () => {
    assert.equal(notReceived(undefined).key, 'NOT_RECEIVED.connectionLost');
    assert.equal(notReceived(why).key, 'NOT_RECEIVED.because');
    assert.ok(notReceived(why).message.includes(why.message));
  });
});
