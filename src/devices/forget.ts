/** Clears the retained topics of a device that is gone. */
import { randomUUID } from 'node:crypto';
import { asHomieError, HomieError } from '../errors';
import type { HomieBroker } from '../homie/broker';
import type { Device } from '../homie/device';
import { deviceUnknown } from '../homie/presence';
import { clearRetained, connectionLost, isStateTopic, knownRoots, ownTopics, retainedBelow } from '../homie/retained';

/** Maximum number of searches for retained topics: of very many topics, a broker may deliver only a part at a time. */
const LOOKS = 4;

/** The result of forgetting one device. */
export interface Forgetting {
  readonly id: string;
  /** The cleared topics. */
  readonly cleared: readonly string[];
  /** Why the device was refused, or why not all of its topics could be cleared. */
  readonly error?: HomieError;
}

/**
 * Clears all retained topics of a device whose `$state` is `lost` or `disconnected`, but no topic of another device
 * below it. Succeeds when the broker delivers no more of its topics. Locks the device meanwhile, and stops at any live
 * message from it.
 *
 * The error of the result is DEVICE_UNKNOWN, SUBSCRIBE_REFUSED, DEVICE_PRESENT, DEVICE_BUSY, REBOOT_PENDING,
 * DEVICE_RETURNED, NOT_CLEARED, CONNECTION_LOST or UNEXPECTED.
 *
 * @param broker must have settled
 * @throws only the reason of the signal
 */
export async function forgetDevice(broker: HomieBroker, id: string, signal: AbortSignal): Promise<Forgetting> {
  const job = randomUUID();
  const cleared: string[] = [];
  try {
    refuseOthers(broker, broker.registry.get(id), id);
    broker.locks.acquire(id, job);
    await clear({ broker, device: id, job }, cleared, signal);
    return { id, cleared };
  } catch (error) {
    signal.throwIfAborted();
    return { id, cleared, error: explain(error, broker, id) };
  } finally {
    broker.locks.release(id, job);
  }
}

function refuseOthers(broker: HomieBroker, device: Device | undefined, id: string): void {
  const state = device?.state?.value;
  if (state === undefined) {
    const refusal = broker.refusal('$state', '$online');
    throw refusal ?? new HomieError('DEVICE_UNKNOWN.notCleared', { why: deviceUnknown(broker, id).text });
  }
  if (!isForgettable(state)) throw new HomieError('DEVICE_PRESENT.state', { id, state });
}

async function clear(
  sender: { readonly broker: HomieBroker; readonly device: string; readonly job: string },
  cleared: string[],
  signal: AbortSignal,
): Promise<void> {
  const { broker, device: id } = sender;
  const { registry, baseTopic } = broker;
  const root = baseTopic + id;
  const seenAt = registry.get(id)?.seenAt;
  if (broker.needsExactTopics) throw new HomieError('NOT_CLEARED.notFound', { root: broker.shown(root) });
  let wasStateCleared = false;
  const stands = (): boolean => {
    const device = registry.get(id);
    const state = device?.state?.value;
    if ((state !== undefined && !isForgettable(state)) || (device?.seenAt ?? seenAt) !== seenAt) {
      throw new HomieError('DEVICE_RETURNED');
    }
    // The state topics are cleared last: only then may the state be missing.
    wasStateCleared ||= isStateTopic(cleared.at(-1) ?? '');
    return state !== undefined || wasStateCleared;
  };
  for (let look = 1; look <= LOOKS; look++) {
    const left = await ownTopics(await retainedBelow(broker, root, signal), root, knownRoots(broker));
    if (left.length === 0 && cleared.length > 0) return;
    const still = new Set(left);
    cleared.splice(0, cleared.length, ...cleared.filter((topic) => !still.has(topic)));
    wasStateCleared = cleared.some(isStateTopic);
    if (left.length === 0 || look === LOOKS) break;
    // After a loss of our connection, the state is unknown until it is received again.
    if (!(await clearRetained(left, { sender, stands, cleared, signal }))) throw connectionLost();
  }
  throw new HomieError('NOT_CLEARED');
}

function isForgettable(state: string): boolean {
  return state === 'lost' || state === 'disconnected';
}

function explain(thrown: unknown, broker: HomieBroker, id: string): HomieError {
  const error = asHomieError(thrown);
  switch (error.code) {
    case 'PUBLISH_DENIED':
    case 'PUBLISH_REFUSED':
      return new HomieError('NOT_CLEARED.notAllowed', { root: broker.shownBaseTopic + id });
    case 'NOT_CONNECTED':
    case 'PUBLISH_TIMEOUT':
      return connectionLost();
    default:
      return error;
  }
}
