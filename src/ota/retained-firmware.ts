import { withDeadline } from '../deadline';
import { HomieError, type ErrorCode } from '../errors';
import type { HomieBroker } from '../homie/broker';
import { publishToDevice, type Sender } from '../homie/gate';

/** How long the broker may take to acknowledge the clearing, in ms. */
const CLEARING = 10_000;

/** How long the look may take, in ms. */
const LOOK = 15_000;

/** As what it shows that a retained firmware flashes a device back. */
const suspicious: ReadonlySet<ErrorCode> = new Set(['OLD_FIRMWARE', 'OTHER_FIRMWARE', 'ANOTHER_UPDATER']);

/**
 * Explains a failure by a retained firmware message, where there is one: the device is given it at every connect, and it
 * flashes the device back after every update. Looks through a connection of its own; a subscription of ours would bring back
 * every firmware that is published there.
 *
 * @param clear the message is to be cleared from the broker
 * @returns RETAINED_FIRMWARE, which names the topic; else the error as it was
 */
export async function explainByRetained(error: HomieError, sender: Sender, clear: boolean): Promise<HomieError> {
  if (!suspicious.has(error.code)) return error;
  const topic = await retainedFirmware(sender.broker, sender.device, sender.abandon);
  if (topic === undefined) return error;
  if (clear && (await isCleared(sender, topic))) {
    return new HomieError('RETAINED_FIRMWARE', `A firmware message was retained at ${topic}, and has been cleared.`, {
      hint: 'Send the firmware again.',
      cause: error,
    });
  }
  return new HomieError(
    'RETAINED_FIRMWARE',
    `A firmware message is retained at ${topic}. The device receives it at every connect, and it undoes the update.`,
    { hint: `Publish an empty retained message to ${topic}, then try again.`, cause: error },
  );
}

async function isCleared(sender: Sender, topic: string): Promise<boolean> {
  try {
    const sent = await publishToDevice(sender, { topic, payload: '', qos: 1, retain: true, timeout: CLEARING });
    return !('notSent' in sent);
  } catch (error) {
    sender.abandon.throwIfAborted();
    if (error instanceof HomieError) return false;
    throw error;
  }
}

/** @returns the topic of a retained firmware message; undefined where none was found, or could not be looked for */
async function retainedFirmware(broker: HomieBroker, device: string, signal: AbortSignal): Promise<string | undefined> {
  const root = `${broker.baseTopic}${device}/$implementation/ota/firmware/`;
  const checksum = broker.registry.get(device)?.checksum?.value;
  const short = broker.beside(broker.baseTopic);
  const { connection } = short;
  let found: string | undefined;
  try {
    return await withDeadline(LOOK, signal, async (patience) => {
      const seen = new Promise<void>((resolve) => {
        connection.on('message', (topic, payload, retained) => {
          if (!retained || payload.length === 0 || !topic.startsWith(root)) return;
          found = topic;
          resolve();
        });
      });
      // Some brokers send nothing retained for a wildcard: the topic of the running image is asked for by its name.
      void connection.subscribe([...(checksum === undefined ? [] : [root + checksum]), `${root}+`]);
      connection.connect();
      await Promise.race([seen, short.settled(patience)]);
      return found;
    });
  } catch {
    signal.throwIfAborted();
    return undefined;
  } finally {
    await short.close();
  }
}
