/** The last check before a message goes out. Everything that can change a device passes it. */
import { HomieError } from '../errors';
import type { Published, PublishOptions } from '../mqtt/connection';
import type { HomieBroker } from './broker';
import { DeviceLocks } from './lock';
import { type Staged } from './lock-table';
import { isReady } from './presence';
import type { Serving } from './serving';

/** A message to a device. */
export interface DeviceMessage {
  readonly topic: string;
  readonly payload: Buffer | string;
  readonly qos: PublishOptions['qos'];
  readonly retain?: boolean;
  /** How long the broker may take to acknowledge the message, in ms. */
  readonly timeout: number;
}

/** What was known when the decision to send was made. If any of it has changed, the decision is void. */
export interface Sighting {
  readonly connection: number;
  readonly mac: string | undefined;
  readonly checksum: string | undefined;
  /** When the `$state` arrived, in ms of `performance.now()`. */
  readonly stateAt: number | undefined;
}

/**
 * Who sends a message, and what prevents it. Checked when the bytes are handed to the socket. `job` is left out if the
 * device no longer uses this address.
 */
export interface Sender
  extends
    Pick<Serving, 'broker' | 'device' | 'abandon'>,
    Partial<Pick<Serving, 'job' | 'cancel' | 'mayBegin' | 'handedOver'>> {
  /** What the device may have to boot after the message. */
  readonly stages?: Staged;
  /** Whether it is stored already that the device may have something to boot. Otherwise this is stored first. */
  readonly isStored?: boolean | undefined;
  /** Left out if the device need not be ready. */
  readonly seen?: Sighting;
  /** Called when the broker has the whole message: it cannot have caused a restart before that. */
  readonly acknowledged?: () => void;
}

/**
 * Why nothing was sent. `canceled`: the user canceled. `halted`: the job or this process must not send now. `changed`:
 * the device is no longer as it was when the decision was made, or our connection is gone or another one. `abandoned`:
 * the device can no longer be watched.
 */
export type Obstacle = 'canceled' | 'halted' | 'changed' | 'abandoned';

/** Something forbade the message when it was about to be handed to the socket. Nothing was sent, and nothing will be. */
export interface NotSent {
  readonly kind: 'not_sent';
  readonly why: Obstacle;
}

/** What is known of a message that was handed to the socket. */
export interface Sent extends Published {
  /** Why the broker did not acknowledge the message. It is then unknown whether the broker has it. */
  readonly error?: HomieError;
}

/**
 * Why a message did not reach the device. What the device may have to boot is as before.
 *
 * - `not_sent`: see `NotSent`
 * - `refused`: the lock of the device does not allow it (DEVICE_BUSY, OTHER_DEVICE, REBOOT_PENDING), or the broker did
 *   not accept it
 */
export type Unsent = NotSent | { readonly kind: 'refused'; readonly error: HomieError };

/** The result of a message to a device. */
export type Delivery = (Sent & { readonly kind: 'sent' }) | Unsent;

/** Returns what is known of a device now. */
export function sightingOf({ connectionNumber, registry }: HomieBroker, id: string): Sighting {
  const { mac, checksum, state } = registry.get(id) ?? {};
  return { connection: connectionNumber, mac: mac?.value, checksum: checksum?.value, stateAt: state?.at };
}

/**
 * Publishes to a device if nothing prevents it when the bytes are handed to the socket: several messages to a broker
 * wait for each other, and much may happen meanwhile. Stores what the device may have to boot before anything is sent,
 * and that it has nothing to boot if the message did not reach it and no reboot was pending before. If `abandon` is
 * aborted while the broker is accepting the message, the call does not wait for the broker, and the device stays locked
 * until the publish has ended.
 *
 * @throws the reason of `abandon` if something may have been sent
 */
export async function sendToDevice(sender: Sender, message: DeviceMessage): Promise<Delivery> {
  const { broker, device, stages, cancel, abandon } = sender;
  const { locks, connection } = broker;
  const before = obstacle(sender);
  if (before !== undefined) return { kind: 'not_sent', why: before };
  const locked = lockRefusal(sender);
  if (locked !== undefined) return { kind: 'refused', error: locked };
  const isPending = locks.isRebootPending(device);
  const stored = stages === undefined ? undefined : locks.expectReboot(device, stages);
  if (sender.isStored !== true) await stored;
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
  // A device that sleeps may be awake for a moment only.
  const urgent = broker.registry.get(device)?.sleeps === true;
  const publish = connection.publish(topic, payload, { ...options, urgent, still });
  const delivery = publish.then(
    (published): Delivery => ({ kind: 'sent', ...published }),
    (error: unknown) => undelivered(error, found),
  );
  let interrupt = (): void => undefined;
  const interrupted = new Promise<NotSent>((resolve, reject) => {
    interrupt = () => {
      if (!isHandedOver) return resolve({ kind: 'not_sent', why: abandon.aborted ? 'abandoned' : 'canceled' });
      if (!abandon.aborted) return;
      locks.orphaned(device, publish);
      reject(abandon.reason);
    };
  });
  const signals = [abandon, ...(cancel === undefined ? [] : [cancel])];
  for (const signal of signals) signal.addEventListener('abort', interrupt);
  if (signals.some(({ aborted }) => aborted)) interrupt();
  try {
    const end = await Promise.race([delivery, interrupted]);
    if (stages === undefined) return end;
    if (end.kind !== 'sent') {
      if (!isPending) await locks.rebooted(device);
    } else if (end.error === undefined) {
      // The message cannot have caused a restart that happened while the broker was still accepting it.
      void locks.expectReboot(device, stages);
      sender.acknowledged?.();
    }
    return end;
  } finally {
    for (const signal of signals) signal.removeEventListener('abort', interrupt);
  }
}

/** Returns whether a job, or another process that has the user directory, forbids sending at this moment. */
export function isHalted(mayBegin: Sender['mayBegin']): boolean {
  return mayBegin?.() === false || DeviceLocks.refusal !== undefined;
}

/** Returns what prevents sending at this moment. */
function obstacle({ broker, device, seen, cancel, abandon, mayBegin }: Sender): Obstacle | undefined {
  if (abandon.aborted) return 'abandoned';
  if (cancel?.aborted === true) return 'canceled';
  if (isHalted(mayBegin)) return 'halted';
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

/** Returns why the lock of the device does not allow a message. */
function lockRefusal(sender: Sender): HomieError | undefined {
  const { broker, device, job, stages } = sender;
  if (!isHeld(sender)) {
    const isOther = job !== undefined && broker.locks.isGivenTo(device, job);
    return new HomieError(isOther ? 'OTHER_DEVICE' : 'DEVICE_BUSY');
  }
  const isPending = broker.locks.isRebootPending(device);
  return stages === 'image' && isPending ? new HomieError('REBOOT_PENDING') : undefined;
}

function isHeld({ broker, device, job }: Sender): boolean {
  return job === undefined || broker.locks.holder(device) === job;
}

/**
 * Returns what an error of `Connection.publish` says of the message.
 *
 * @param found what prevented the message if it was not handed to the socket
 */
function undelivered(error: unknown, found: Obstacle): Delivery {
  if (!(error instanceof HomieError)) throw error;
  switch (error.code) {
    case 'CONNECTION_LOST':
    case 'PUBLISH_TIMEOUT':
      return { kind: 'sent', noSubscribers: false, error };
    case 'NOT_CONNECTED':
      return { kind: 'not_sent', why: found };
    default:
      return { kind: 'refused', error };
  }
}
