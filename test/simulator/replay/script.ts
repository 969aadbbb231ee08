import {
  isConfigSet,
  isFirmware,
  publishesOf,
  type PublishStep,
  type RecordedMessage,
  type Recording,
} from './recording';
import { kindOf, sequencesOf, type Sequences } from './sequences';

/** Something that was done while recording, at `t` ms, and the messages that had arrived before. */
export type Action = { readonly t: number; readonly after: Sequences } & (
  | {
      readonly does: 'publish';
      readonly step: PublishStep;
      /** Whether config.json was restored to its initial text before the publish. */
      readonly putsFileBack: boolean;
      /** Milliseconds from the last event before the publish to the publish. */
      readonly pause: number;
    }
  | { readonly does: 'take away' }
  /** Another device was started, with a fresh flash. */
  | { readonly does: 'start' }
);

export interface Script {
  readonly actions: readonly Action[];
  /** All messages until the device was taken away for good. */
  readonly expected: Sequences;
  /** Whether the device was taken away so soon after a 200 or a patch that the recording does not show its return. */
  readonly cut: boolean;
}

/** Longest time from a patch to the reboot that it causes, in ms. */
const PATCHED = 100;
/** Duration of the shortest reboot in the recordings, in ms. */
const REBOOT = 150;

/** Derives a script from the recording: its steps, and the moments when the device was taken away by hand. */
export function scriptOf(recording: Recording): Script {
  const { messages } = recording;
  const losses = lossesOf(recording);
  const byHand = losses.filter(({ cause }) => cause === undefined).map(({ message }) => message);
  const final = messages.findLast(({ topic }) => topic.endsWith('/$state'));
  const atTheEnd = byHand.find((message) => message === final);
  const end = losses.at(-1);
  const publishes = publishesOf(recording).map((step, i, all) => ({
    does: 'publish' as const,
    t: step.t,
    step,
    pause: pauseBefore(messages, all[i - 1], step),
    putsFileBack: isConfigSet(step.publish) && isAnswered(messages, all[i - 1], step),
    // A status in the same millisecond is already an answer.
    after: sequencesOf(messages, ({ t, topic }) => t < step.t || (t === step.t && topic.endsWith('/$state'))),
  }));
  const replacements = byHand
    .filter((message) => message !== final)
    .flatMap((message) => {
      const at = messages.indexOf(message);
      const back = messages.findIndex(
        ({ topic, payload }, i) => i > at && topic.endsWith('/$state') && payload === 'init',
      );
      const away = { does: 'take away' as const, t: message.t, after: sequencesOf(messages.slice(0, at)) };
      const start = { does: 'start' as const, t: messages[back]?.t ?? 0, after: sequencesOf(messages.slice(0, back)) };
      return back < 0 ? [away] : [away, start];
    });
  return {
    actions: [...replacements, ...publishes].sort((a, b) => a.t - b.t),
    expected: sequencesOf(messages.filter((message) => message !== atTheEnd)),
    cut: end?.message === final && end?.cause !== undefined && end.returns && end.message.t - end.cause < REBOOT,
  };
}

/**
 * Returns how long nothing had happened before an image was published, in ms. The device may have settled in this time,
 * and nothing else shows that. For a patch the answer shows it.
 */
function pauseBefore(messages: readonly RecordedMessage[], before: PublishStep | undefined, step: PublishStep): number {
  if (!isFirmware(step)) return 0;
  const last = messages.findLast(({ t, topic }) => t <= step.t && kindOf(topic) !== undefined);
  const since = Math.max(last?.t ?? 0, before?.t ?? 0);
  return since === 0 ? 0 : step.t - since;
}

/** Returns whether the device processed a patch before the next publish. */
function isAnswered(messages: readonly RecordedMessage[], patch: PublishStep | undefined, next: PublishStep): boolean {
  if (patch === undefined || !isConfigSet(patch.publish)) return false;
  return messages.some(
    ({ t, topic, payload }) =>
      t >= patch.t && t < next.t && ((isConfigSet(topic) && payload === '') || topic.endsWith('/$state')),
  );
}

interface Loss {
  readonly message: RecordedMessage;
  /** Time of the message that caused it, in ms; undefined without one. */
  readonly cause: number | undefined;
  /** Whether the device comes back. */
  readonly returns: boolean;
}

/** Returns each `lost`, with the cause if the device had one. */
function lossesOf({ input, messages }: Recording): Loss[] {
  const has = (argument: string) => input.device_args.includes(argument);
  const breaks = has('--drop-tcp-at') || has('--hang-at');
  const losses: Loss[] = [];
  let cause: number | undefined;
  let patchedAt = -Infinity;
  let returns = true;
  /** The device does not report a refused patch. After an accepted one it reboots immediately. */
  const patched = ({ t }: RecordedMessage) => (t - patchedAt <= PATCHED && !has('--no-reboot') ? patchedAt : undefined);
  for (const [i, message] of messages.entries()) {
    const { t, topic, payload } = message;
    if (topic.endsWith('/$state')) {
      const updated = bootsAnother(input.firmware.md5, messages, i) ? t : undefined;
      if (payload === 'lost') losses.push({ message, cause: cause ?? patched(message) ?? updated, returns });
      if (payload === 'init') cause = undefined;
    } else if (topic.endsWith('/$implementation/ota/status')) {
      if (payload === '200') cause = has('--no-reboot') ? undefined : t;
      else if (breaks) cause = /^20[26]/.test(String(payload)) ? t : undefined;
    } else if (isConfigSet(topic)) {
      patchedAt = t;
    } else if (topic.endsWith('/$implementation/reset') && payload === 'true') {
      cause = t;
      returns = false;
    }
  }
  return losses;
}

/** Returns whether the device comes back with another image than before, and is not a newly started one. */
function bootsAnother(fresh: string, messages: readonly RecordedMessage[], at: number): boolean {
  const isChecksum = ({ topic }: RecordedMessage) => topic.endsWith('/$fw/checksum');
  const before = messages.slice(0, at).findLast(isChecksum)?.payload;
  const after = messages.slice(at).find(isChecksum)?.payload;
  return after !== undefined && after !== before && after !== fresh;
}
