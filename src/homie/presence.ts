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

/** How long to wait for a connection in progress, or for a broker that sends nothing, in ms. */
const SETTLE = 10_000;

/**
 * Waits until a device is ready: our connection is up, the retained messages have arrived, `$state` is ready, and
 * everything that a decision needs is known.
 *
 * @param until ms of `performance.now()`; a device that is ready already is found even if this has passed
 * @param signal rejects with its reason
 * @throws {HomieError} NOT_CONNECTED, STILL_RECEIVING, DEVICE_UNKNOWN, SUBSCRIBE_REFUSED, DEVICE_OFFLINE or
 *   FACTS_MISSING: `until` has passed
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
 * Waits like `settle`, and then until the retained messages of this device have arrived, too.
 *
 * @param signal rejects with its reason
 */
export async function settleFor(broker: HomieBroker, id: string, signal: AbortSignal): Promise<void> {
  if (!broker.isSettled) await settle(broker, signal);
  await broker.seek([id], signal);
}

/**
 * Waits until the retained messages have arrived. Gives up without an error when the connection fails, when no retained
 * message has arrived for 10 s (checked every 10 s), or after `atMost`.
 *
 * @param signal rejects with its reason
 * @param atMost in ms, 400 s by default
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
 * Waits until the retained messages have arrived.
 *
 * @throws {HomieError} the reason why there is no connection; NOT_CONNECTED: the connection was not made within 10 s;
 *   STILL_RECEIVING; the reason of the signal
 */
export async function untilSettled(broker: HomieBroker, signal?: AbortSignal): Promise<void> {
  await settle(broker, signal);
  if (broker.isSettled) return;
  const { status } = broker;
  if (status.state === 'disconnected') throw status.error;
  throw new HomieError(status.state === 'connected' ? 'STILL_RECEIVING' : 'NOT_CONNECTED');
}

/** How long a connection may be closed before its jobs are abandoned, in ms: Node-RED gives a node 15 s to close. */
const CLOSING = 20_000;

/**
 * Waits until the retained messages have arrived, however long that takes: without a connection of our own, nothing can
 * be said about a device. A deploy closes the nodes in any order, so the connection may be closed before its jobs are
 * abandoned. In that case this waits for `abandon`.
 *
 * @throws {HomieError} ABANDONED: the connection was closed, and `abandon` was not aborted within 20 s; the reason of
 *   `abandon`
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

/** Returns whether an error means that there was no connection. */
export function isConnectionGone(error: unknown): boolean {
  return error instanceof HomieError && connectionGone.has(error.code);
}

/**
 * What a decision about a device needs, with the topics that provide it. Homie for ESP8266 publishes all of them before
 * `ready`.
 */
const NEEDED = [
  ['checksum', '$fw/checksum'],
  ['fwName', '$fw/name'],
  ['implementation', '$implementation'],
] as const satisfies [Attribute, string][];

/** How long a device that is ready may take to publish what is needed, in ms: a bridge forwards topics in any order. */
const FACTS_WITHIN = 2_000;

/** Returns whether a device is ready, and everything that a decision needs is known of it. */
export function isReady(broker: HomieBroker, id: string): boolean {
  const device = broker.registry.get(id);
  return device !== undefined && missing(broker, device) === undefined;
}

/**
 * Returns when a decision about a device can be made, in ms of `performance.now()`: at once (0) if everything that it
 * needs is known, otherwise when a ready device has had the time to publish the rest. Undefined if the device is not
 * ready.
 */
export function decidableAt(broker: HomieBroker, id: string): number | undefined {
  const device = broker.registry.get(id);
  if (device?.state === undefined) return undefined;
  const what = missing(broker, device);
  if (what === 'connection' || what === 'state') return undefined;
  return what === undefined ? 0 : completeAt(broker, device.state.at);
}

/**
 * Returns when everything of a device must have arrived, in ms of `performance.now()`.
 *
 * @param readySince when the device became ready, in ms of `performance.now()`
 */
export function completeAt({ isSettled }: HomieBroker, readySince: number): number {
  return (isSettled ? readySince : performance.now()) + FACTS_WITHIN;
}

/** The error codes of `incomplete`: the device may still publish what is missing, or the broker may deliver it. */
export const lacking: ReadonlySet<ErrorCode | undefined> = new Set<ErrorCode>(['FACTS_MISSING', 'SUBSCRIBE_REFUSED']);

/** Returns an error for what a ready device lacks for any decision; undefined if it lacks nothing or is not ready. */
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

/** Returns the end of a sentence about an unknown device: whether the id of a known device is similar. */
export function neverSeen(broker: HomieBroker, id: string): Text {
  const similar = similarId(broker, id);
  return similar === undefined
    ? phrase('neverSeenUnder', { baseTopic: broker.shownBaseTopic })
    : phrase('neverSeenSimilar', { similar });
}

/** Returns the error for an unknown device: whether the id of a known device is similar. */
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

/** Returns the error that says why a device is not ready. */
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
    // The device may have become ready just now.
    return what === undefined
      ? new HomieError('DEVICE_OFFLINE.inTime', { id })
      : new HomieError('DEVICE_OFFLINE.state', { id, state: device.state.value });
  }
  return broker.refusal(what) ?? new HomieError('FACTS_MISSING.topic', { id, topic: what });
}
