/** The gate before the wire: whatever can change a device goes through it. */
import { HomieError } from '../errors';
import type { Published, PublishOptions } from '../mqtt/connection';
import type { HomieBroker } from './broker';
import { DeviceLocks } from './lock';
import { type Staged } from './lock-table';
import { isReady } from './presence';

/** A message to a device. */
export interface DeviceMessage {
  readonly topic: string;
  readonly payload: Buffer | string;
  readonly qos: PublishOptions['qos'];
  readonly retain?: boolean;
  /** ms until the broker must have acknowledged it. */
  readonly timeout: number;
}

/** What was known when it was decided to send something. If any of it has changed since, the decision is void. */
export interface Sighting {
  readonly connection: number;
  readonly mac: string | undefined;
  readonly checksum: string | undefined;
  /** When the `$state` came, in ms of `performance.now()`. */
  readonly stateAt: number | undefined;
}

/** Who sends something, and what speaks against it. Asked at the moment at which the bytes are handed to the socket. */
export interface Sender {
  readonly broker: HomieBroker;
  readonly device: string;
  /** The job that must hold the lock of the device; left out where the device has left this place. */
  readonly job?: string;
  /** What the device may have to boot after the message. */
  readonly stages?: Staged;
  /** Left out where the device need not be ready. */
  readonly seen?: Sighting;
  /** The user wants to stop: obeyed until the bytes are handed over. */
  readonly cancel?: AbortSignal | undefined;
  /** The device can be watched no longer. */
  readonly abandon: AbortSignal;
  /** Whether the job may send now: it is neither paused nor stopped, its window is open, and so on. */
  readonly mayBegin?: (() => boolean) | undefined;
  /** Called as the bytes are handed over: from then on it is too late to cancel. */
  readonly handedOver?: (() => void) | undefined;
}

/**
 * Why nothing was sent: `canceled`; `halted`: the job, or this process, may not send now; `changed`: the device is not as it was when it was
 * decided, or our connection is another one; `abandoned`.
 */
export type Obstacle = 'canceled' | 'halted' | 'changed' | 'abandoned';

/** Nothing was sent, and nothing will be. */
export interface NotSent {
  readonly notSent: Obstacle;
}

/** What is known of a device at this moment. */
export function sightingOf({ connectionNumber, registry }: HomieBroker, id: string): Sighting {
  const { mac, checksum, state } = registry.get(id) ?? {};
  return { connection: connectionNumber, mac: mac?.value, checksum: checksum?.value, stateAt: state?.at };
}

/**
 * Publishes to a device, if nothing speaks against it when the bytes are handed to the socket: several messages to a broker
 * wait for each other, and much may happen meanwhile. What the device may have to boot is written down before. When the
 * device is watched no longer while the broker takes the message, that is not waited for; the device stays locked until the
 * message has come to its end.
 *
 * @throws {HomieError} DEVICE_BUSY, OTHER_DEVICE, REBOOT_PENDING: the lock does not allow it, and nothing was sent; those of
 * `Connection.publish` but NOT_CONNECTED; the reason of `abandon` when something may have been sent
 */
export async function publishToDevice(sender: Sender, message: DeviceMessage): Promise<Published | NotSent> {
  const { broker, device, stages, cancel, abandon } = sender;
  const { locks, connection } = broker;
  const before = obstacle(sender);
  if (before !== undefined) return { notSent: before };
  refuseLocked(sender);
  const isPending = locks.isRebootPending(device);
  if (stages !== undefined) await locks.expectReboot(device, stages);
  const { topic, payload, ...options } = message;
  let found: Obstacle = 'changed';
  let isHandedOver = false;
  const still = (): boolean => {
    const now = obstacle(sender);
    if (now !== undefined) found = now;
    else if (isHeld(sender)) isHandedOver = true;
    if (isHandedOver) sender.handedOver?.();
    return isHandedOver;
  };
  const publish = connection.publish(topic, payload, { ...options, still });
  let interrupt = (): void => undefined;
  const interrupted = new Promise<NotSent>((resolve, reject) => {
    interrupt = () => {
      if (!isHandedOver) return resolve({ notSent: abandon.aborted ? 'abandoned' : 'canceled' });
      if (!abandon.aborted) return;
      locks.orphaned(device, publish);
      reject(abandon.reason);
    };
  });
  // Nobody waits for it when the publish comes first.
  interrupted.catch(() => undefined);
  const signals = [abandon, ...(cancel === undefined ? [] : [cancel])];
  for (const signal of signals) signal.addEventListener('abort', interrupt);
  if (signals.some(({ aborted }) => aborted)) interrupt();
  try {
    const sent = await Promise.race([publish.catch(notConnected), interrupted]);
    if (sent !== undefined && !('notSent' in sent)) {
      // A restart while the broker was still taking the message was not for it.
      if (stages !== undefined) void locks.expectReboot(device, stages);
      return sent;
    }
    if (stages !== undefined && !isPending) await locks.rebooted(device);
    return sent ?? { notSent: found };
  } finally {
    for (const signal of signals) signal.removeEventListener('abort', interrupt);
  }
}

/** What speaks against sending at this moment. */
function obstacle({ broker, device, seen, cancel, abandon, mayBegin }: Sender): Obstacle | undefined {
  if (abandon.aborted) return 'abandoned';
  if (cancel?.aborted === true) return 'canceled';
  if (mayBegin?.() === false || DeviceLocks.refusal !== undefined) return 'halted';
  if (broker.status.state !== 'connected') return 'changed';
  if (seen === undefined) return undefined;
  if (!isReady(broker, device)) return 'changed';
  const now = sightingOf(broker, device);
  const isSame =
    now.connection === seen.connection &&
    now.stateAt === seen.stateAt &&
    now.checksum === seen.checksum &&
    now.mac === seen.mac;
  return isSame ? undefined : 'changed';
}

/** @throws {HomieError} DEVICE_BUSY, OTHER_DEVICE, REBOOT_PENDING */
function refuseLocked(sender: Sender): void {
  const { broker, device, job, stages } = sender;
  if (!isHeld(sender)) {
    const isOther = job !== undefined && broker.locks.isGivenTo(device, job);
    throw new HomieError(isOther ? 'OTHER_DEVICE' : 'DEVICE_BUSY');
  }
  const pending = broker.locks.pending(device);
  if (stages === 'image' && pending !== undefined) throw new HomieError('REBOOT_PENDING');
}

function isHeld({ broker, device, job }: Sender): boolean {
  return job === undefined || broker.locks.holder(device) === job;
}

/** A publish of which nothing was sent. */
function notConnected(error: unknown): undefined {
  if (!(error instanceof HomieError) || error.code !== 'NOT_CONNECTED') throw error;
}
