import { withDeadline } from '../deadline';
import { HomieError, type ErrorCode } from '../errors';
import type { ConnectionStatus } from '../mqtt/connection';
import { similarNames } from '../similar';
import { phrase, type Text } from '../texts/text';
import { unlessAborted } from '../unless-aborted';
import type { HomieBroker } from './broker';
import type { Attribute, Device } from './device';
import { AT_MOST } from './until-quiet';
import type { DeviceWatch } from './watch';

/** How long a connection that is being made, or a broker that sends nothing, is waited for, in ms. */
const SETTLE = 10_000;

/**
 * Waits until a device is there: our connection stands, what is retained has settled, `$state` is ready, and all is
 * known that a decision needs.
 *
 * @param until ms of `performance.now()`; what is there already is seen even when that has passed
 * @param signal rejects with its reason
 * @throws {HomieError} NOT_CONNECTED, STILL_RECEIVING, DEVICE_UNKNOWN, SUBSCRIBE_REFUSED, DEVICE_OFFLINE or FACTS_MISSING when `until` has passed
 */
export async function untilReady(
  broker: HomieBroker,
  watch: DeviceWatch,
  id: string,
  until: number,
  signal: AbortSignal,
): Promise<Device> {
  for (;;) {
    signal.throwIfAborted();
    await settleFor(broker, id, signal);
    const device = broker.registry.get(id);
    if (device !== undefined && missing(broker, device) === undefined) return device;
    if ((await watch.next(until, signal)) === undefined) throw whyNot(broker, id);
  }
}

/**
 * Waits as `settle` does, and until what is retained of this device has come, too.
 *
 * @param signal rejects with its reason
 */
export async function settleFor(broker: HomieBroker, id: string, signal: AbortSignal): Promise<void> {
  if (!broker.isSettled) await settle(broker, signal);
  await broker.seek([id], signal);
}

/**
 * Waits until what is retained has settled, as long as there is hope of a connection, and for 10 s at most after the last of
 * it came. Rejects with the signal only.
 *
 * @param atMost in ms, 300 s unless given
 */
export async function settle(broker: HomieBroker, signal?: AbortSignal, atMost = AT_MOST): Promise<void> {
  const hopeless = new AbortController();
  const look = ({ state }: ConnectionStatus): void => {
    if (state === 'disconnected') hopeless.abort();
  };
  look(broker.status);
  broker.on('status', look);
  const until = performance.now() + atMost;
  try {
    do {
      await withDeadline(
        Math.min(SETTLE, until - performance.now()),
        AbortSignal.any([...(signal ? [signal] : []), hopeless.signal]),
        (patience) => broker.settled(patience),
      ).catch(() => signal?.throwIfAborted());
    } while (!hopeless.signal.aborted && broker.isReceiving && performance.now() < until);
  } finally {
    broker.off('status', look);
  }
}

/**
 * Waits until what is retained has settled.
 *
 * @throws {HomieError} why there is no connection; NOT_CONNECTED when it is not made within 10 s; STILL_RECEIVING; the reason
 * of the signal
 */
export async function untilSettled(broker: HomieBroker, signal?: AbortSignal): Promise<void> {
  await settle(broker, signal);
  if (broker.isSettled) return;
  const { status } = broker;
  if (status.state === 'disconnected') throw status.error;
  throw new HomieError(status.state === 'connected' ? 'STILL_RECEIVING' : 'NOT_CONNECTED');
}

/** How long a connection may be closed before the jobs on it are abandoned, in ms: Node-RED gives a node 15 s to close. */
const CLOSING = 20_000;

/**
 * Waits until what is retained has settled, however long that takes: as long as there is no connection of our own, nothing
 * can be told of a device. A deploy closes the nodes in any order, so that the connection may be closed before the jobs on
 * it are abandoned; `abandon` is waited for then.
 *
 * @throws {HomieError} ABANDONED when the connection is closed, and nobody abandons within 20 s; the reason of `abandon`
 */
export async function settledOrAbandoned(broker: HomieBroker, abandon: AbortSignal): Promise<void> {
  try {
    await broker.settled(abandon);
  } catch {
    await withDeadline(CLOSING, abandon, (over) => unlessAborted(over, new Promise<never>(() => undefined)));
    abandon.throwIfAborted();
    throw new HomieError('ABANDONED');
  }
}

const connectionGone: ReadonlySet<ErrorCode> = new Set(['NOT_CONNECTED', 'CONNECTION_LOST', 'PUBLISH_TIMEOUT']);

/** Whether something failed because there was no connection. */
export function isConnectionGone(error: unknown): boolean {
  return error instanceof HomieError && connectionGone.has(error.code);
}

/** What a decision about a device needs, by the topics that bring it. In Homie for ESP8266 all of it comes before `ready`. */
const NEEDED = [
  ['checksum', '$fw/checksum'],
  ['fwName', '$fw/name'],
  ['implementation', '$implementation'],
] as const satisfies [Attribute, string][];

/** How long a device that is ready may take to publish what is needed, in ms: a bridge passes topics on in any order. */
const FACTS_WITHIN = 2_000;

/** Whether a device is there now, and all is known of it that a decision needs. */
export function isReady(broker: HomieBroker, id: string): boolean {
  const device = broker.registry.get(id);
  return device !== undefined && missing(broker, device) === undefined;
}

/**
 * Returns from when on a decision about a device can be made, in ms of `performance.now()`: at once where all that it needs is
 * known, else when a device that is ready has had the time to publish it. Undefined when the device is not there.
 */
export function decidableAt(broker: HomieBroker, id: string): number | undefined {
  const device = broker.registry.get(id);
  if (device?.state === undefined) return undefined;
  const what = missing(broker, device);
  if (what === 'connection' || what === 'state') return undefined;
  return what === undefined ? 0 : completeAt(broker, device.state.at);
}

/** Returns when all has come, in ms, of a device that has been ready since then. */
export function completeAt({ isSettled }: HomieBroker, readySince: number): number {
  return (isSettled ? readySince : performance.now()) + FACTS_WITHIN;
}

/** The errors of `incomplete`: the device may publish later what it lacks, or the broker may deliver it. */
export const lacking: ReadonlySet<ErrorCode | undefined> = new Set<ErrorCode>(['FACTS_MISSING', 'SUBSCRIBE_REFUSED']);

/** Returns what a device that is there lacks for any decision; undefined when it lacks nothing or is not there. */
export function incomplete(broker: HomieBroker, id: string): HomieError | undefined {
  const device = broker.registry.get(id);
  const what = device && missing(broker, device);
  if (what === undefined || what === 'connection' || what === 'state') return undefined;
  return broker.refusal(what) ?? new HomieError('FACTS_MISSING.topic', { id, topic: what });
}

/** Returns what keeps a device from being ready: no connection, its state, or a topic that it has not published. */
function missing(broker: HomieBroker, device: Device): 'connection' | 'state' | (typeof NEEDED)[number][1] | undefined {
  if (broker.status.state !== 'connected') return 'connection';
  if (device.state?.value !== 'ready') return 'state';
  return NEEDED.find(([attribute]) => device[attribute] === undefined)?.[1];
}

/** Returns the end of a sentence about a device of which nothing is known: whether the id of a known one is similar. */
export function neverSeen(broker: HomieBroker, id: string): Text {
  const similar = similarId(broker, id);
  return similar === undefined
    ? phrase('neverSeenUnder', { baseTopic: broker.shownBaseTopic })
    : phrase('neverSeenSimilar', { similar });
}

/** Returns the error for a device of which nothing is known: whether the id of a known one is similar. */
export function deviceUnknown(broker: HomieBroker, id: string): HomieError {
  const similar = similarId(broker, id);
  return similar === undefined
    ? new HomieError('DEVICE_UNKNOWN.neverSeen', { id, baseTopic: broker.shownBaseTopic })
    : new HomieError('DEVICE_UNKNOWN.similar', { id, similar });
}

function similarId({ registry }: HomieBroker, id: string): string | undefined {
  const known = [...registry.devices.values()].flatMap((device) => (device.state === undefined ? [] : [device.id]));
  return similarNames(id, known)[0];
}

/** Why a device is not ready. */
export function whyNot(broker: HomieBroker, id: string): HomieError {
  const { status } = broker;
  if (status.state !== 'connected') {
    return status.state === 'disconnected'
      ? new HomieError('NOT_CONNECTED.noConnectionBecause', { why: status.error.text })
      : new HomieError('NOT_CONNECTED.noConnection');
  }
  const device = broker.registry.get(id);
  if (device?.state === undefined) {
    if (!broker.isSettled) return new HomieError('STILL_RECEIVING');
    return broker.refusal('$state', '$online') ?? deviceUnknown(broker, id);
  }
  const what = missing(broker, device);
  if (what === undefined || what === 'state' || what === 'connection') {
    // It may have become ready just now.
    return what === undefined
      ? new HomieError('DEVICE_OFFLINE.inTime', { id })
      : new HomieError('DEVICE_OFFLINE.state', { id, state: device.state.value });
  }
  return broker.refusal(what) ?? new HomieError('FACTS_MISSING.topic', { id, topic: what });
}
