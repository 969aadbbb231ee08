import { withDeadline } from '../deadline';
import { HomieError, type ErrorCode } from '../errors';
import { inEnglish, phrase, textOf } from '../texts/text';
import type { HomieBroker } from '../homie/broker';
import { sendToDevice, type Sender } from '../homie/gate';
import { firmwareTopic } from '../homie/topics';
import type { Outcome } from '../update/update';
import { parseStatus, type OtaStatus } from './status';

/** How long the broker may take to acknowledge that the topic is cleared, in ms. */
const CLEARING = 10_000;

/** How long the search may take, in ms. */
const SEARCH = 15_000;

/** Failures that a retained firmware message can cause: the device flashes the message as soon as it connects. */
const suspicious: ReadonlySet<ErrorCode> = new Set(['OLD_FIRMWARE', 'OTHER_FIRMWARE', 'ANOTHER_UPDATER', 'NOT_READY']);

export interface RetainedCheck {
  readonly sender: Sender;
  /**
   * The first live `$implementation/ota/status` since the device came back from our update. Our own transfer ended with
   * the previous connection, so this status answers another firmware message.
   */
  readonly statusSince: string | undefined;
  /** Every checksum that a device running our image may report. */
  readonly expected: ReadonlySet<string>;
  /** Whether to clear the message from the broker. */
  readonly clear: boolean;
}

/**
 * Searches for a retained firmware message if the end of an update suggests one. A device receives such a message at
 * every connect and flashes it (recordings `ota_retained`, `ota_drop_tcp_retained`). The caller holds the lock of the
 * device, so none of our images is on its way to it.
 *
 * @returns the failure RETAINED_FIRMWARE, which names the topic, if the device installs the message; a success with a
 *   hint if the message holds the image that the device runs, and the device answers so; otherwise the unchanged
 *   outcome
 */
export async function withRetained(outcome: Outcome, check: RetainedCheck): Promise<Outcome> {
  const { sender, statusSince, expected, clear } = check;
  if (!isSuspect(outcome, statusSince)) return outcome;
  const { broker, device, abandon } = sender;
  const topic = (await findRetained(broker, [device], abandon)).get(device);
  if (topic === undefined) return outcome;
  const values = { topic: broker.shown(topic) };
  const isCleared = clear && (await clearTopic(sender, topic));
  const isSame = expected.has(topic.slice(topic.lastIndexOf('/') + 1).toLowerCase());
  // If the device changed the flash mode, its image has another MD5: it does not answer 304, and installs the message
  // again and again.
  if (outcome.state === 'succeeded' && isSame && kindOf(statusSince) === 'unchanged') {
    const hint = isCleared ? textOf('RETAINED_FIRMWARE.cleared', 'text', values) : phrase('retainedAgain', values);
    return { ...outcome, hint: inEnglish(hint) };
  }
  const error = new HomieError(`RETAINED_FIRMWARE.${isCleared ? 'cleared' : isSame ? 'same' : 'other'}`, values, {
    ...(outcome.state === 'failed' && { cause: outcome.error }),
  });
  return { state: 'failed', error, ...(outcome.reboot === 'unproven' && { reboot: 'unproven' }) };
}

function isSuspect(
  outcome: Outcome,
  statusSince: string | undefined,
): outcome is Outcome & { readonly state: 'succeeded' | 'failed' } {
  if (outcome.state === 'succeeded') return answersFirmware(statusSince);
  return outcome.state === 'failed' && suspicious.has(outcome.error.code);
}

/** Whether a status answers a firmware message that the device can take, or whose image it already runs. */
function answersFirmware(status: string | undefined): boolean {
  const kind = kindOf(status);
  return kind === 'accepted' || kind === 'progress' || kind === 'unchanged' || kind === 'flashed';
}

function kindOf(status: string | undefined): OtaStatus['kind'] | undefined {
  return status === undefined ? undefined : parseStatus(status)?.kind;
}

async function clearTopic(sender: Sender, topic: string): Promise<boolean> {
  const sent = await sendToDevice(sender, { topic, payload: '', qos: 1, retain: true, timeout: CLEARING });
  if (sent.kind === 'not_sent') return false;
  if (sent.error === undefined) return true;
  sender.abandon.throwIfAborted();
  return false;
}

/**
 * Searches for retained firmware messages through a separate connection: a subscription of the main connection would
 * return every image that is published.
 *
 * @returns the topic of a retained firmware message for each device that has one; incomplete if the broker could not be
 *   reached
 * @throws the reason of the signal
 */
export async function findRetained(
  broker: HomieBroker,
  devices: readonly string[],
  signal: AbortSignal,
): Promise<ReadonlyMap<string, string>> {
  const roots = devices.map((device) => [device, firmwareTopic(broker.baseTopic, device, '')] as const);
  // Some brokers send no retained messages for a wildcard, so subscribe to the full topic of the running image first.
  const exact = roots.flatMap(([device, root]) => {
    const checksum = broker.registry.get(device)?.checksum?.value;
    return checksum === undefined ? [] : [root + checksum];
  });
  const found = new Map<string, string>();
  const short = broker.beside(broker.baseTopic);
  const { connection } = short;
  try {
    await withDeadline(SEARCH, signal, async (patience) => {
      const allFound = new Promise<void>((resolve) => {
        connection.on('message', (topic, payload, retained) => {
          if (!retained || payload.length === 0) return;
          for (const [device, root] of roots)
            if (topic.startsWith(root) && !found.has(device)) found.set(device, topic);
          if (found.size === devices.length) resolve();
        });
      });
      void connection.subscribe([...exact, ...roots.map(([, root]) => `${root}+`)]);
      connection.connect();
      await Promise.race([allFound, short.settled(patience)]);
    });
  } catch {
    signal.throwIfAborted();
  } finally {
    await short.close();
  }
  return found;
}
