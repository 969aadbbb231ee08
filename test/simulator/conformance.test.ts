import assert from 'node:assert/strict';
import { join } from 'node:path';
import { optionsOf } from './replay/arguments';
import { readRecordings, type Recording } from './replay/recording';
import { replay, replayAll, takesLong, type Replay } from './replay/replay';

/** Only `npm run conformance` replays the long recordings. */
const recordings = readRecordings(join(__dirname, '..', 'fixtures', 'recordings')).filter(
  (recording) => !takesLong(recording),
);

const recorded = (scenario: string): Recording => {
  const recording = recordings.find((candidate) => candidate.scenario === scenario);
  assert.ok(recording);
  return recording;
};
const withMessages = (recording: Recording, change: (message: Recording['messages'][number]) => unknown) => ({
  ...recording,
  messages: recording.messages.map((message) => ({ ...message, payload: change(message) })),
});
const withInput = (recording: Recording, input: Partial<Recording['input']>) => ({
  ...recording,
  input: { ...recording.input, ...input },
});

describe('the simulated device behaves like the recorded firmware', () => {
  let replays: Replay[];

  before(() => {
    replays = replayAll(recordings);
  });

  for (const [i, { scenario }] of recordings.entries()) {
    it(scenario, async () => {
      assert.deepEqual(await replays[i]?.outcome, { verdict: 'conform' });
    });
  }
});

describe('a replay', () => {
  it('finds a status that differs', async () => {
    const recording = withMessages(recorded('ota_bad_magic'), ({ payload }) =>
      payload === '400 BAD_FIRMWARE' ? '400 BAD_CHECKSUM' : payload,
    );
    assert.deepEqual(await replay(recording), {
      verdict: 'differ',
      differences: [
        'statuses are 202, 400 BAD_FIRMWARE, 202, 206, 200 instead of 202, 400 BAD_CHECKSUM, 202, 206, 200',
      ],
    });
  });

  it('finds a reboot that the recording has not', async () => {
    const outcome = await replay(withInput(recorded('ota_no_space'), { device_args: [] }));
    assert.ok(outcome.verdict === 'differ');
    assert.match(outcome.differences.join('\n'), /states are init, ready, lost, init, ready instead of init, ready/);
  });

  it('finds another image at the end', async () => {
    const { messages, ...others } = recorded('ota_md5_mismatch_core2');
    const outcome = await replay(withInput({ messages, ...others }, { variant: 'core3' }));
    assert.ok(outcome.verdict === 'differ');
    assert.match(outcome.differences.join('\n'), /checksums are \w+, \w+ instead of \w+/);
  });

  it('finds a configuration that differs', async () => {
    const recording = withMessages(recorded('config_valid'), ({ topic, payload }) =>
      topic.endsWith('/config') ? String(payload).replace('"percentage":7', '"percentage":8') : payload,
    );
    const outcome = await replay(recording);
    assert.ok(outcome.verdict === 'differ');
    assert.match(outcome.differences.join('\n'), /^configs are .*"percentage":7.* instead of .*"percentage":8/);
  });

  it('knows how the recorded device was told to die', () => {
    const misbehavior = (...device_args: string[]) => {
      const options = optionsOf({ ...recorded('boot').input, device_args });
      return 'unknown' in options ? options : options.misbehavior;
    };
    assert.deepEqual(misbehavior('--crash-at', '7', '--fail-read-at', '9'), { crashAt: 7, failReadAt: 9 });
    assert.deepEqual(misbehavior('--reboot-mode', 'hang-silent'), { reboot: 'hang' });
    assert.deepEqual(misbehavior('--reboot-mode', 'hang'), { neverBack: true });
    assert.deepEqual(misbehavior('--reboot-mode', 'slow'), { unknown: '--reboot-mode slow' });
  });

  it('leaves out what it cannot replay, and says why', async () => {
    const steps = [{ t: 0, step: 'ota_updater.py' }];
    assert.deepEqual(await replay(withInput(recorded('boot'), { steps })), {
      verdict: 'not replayed',
      reason: 'ota_updater.py published what is not in the steps',
    });
    assert.deepEqual(await replay(withInput(recorded('boot'), { device_args: ['--moon-phase'] })), {
      verdict: 'not replayed',
      reason: '--moon-phase is not known',
    });
  });
});
