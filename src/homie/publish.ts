import { HomieError } from '../errors';
import type { Published, PublishOptions } from '../mqtt/connection';
import type { HomieBroker } from './broker';
import { isReady } from './presence';

/** What goes to a device. */
export interface Parcel {
  readonly topic: string;
  readonly payload: Buffer | string;
  readonly qos: PublishOptions['qos'];
  /** ms until the broker must have acknowledged it. */
  readonly timeout: number;
}

/**
 * Publishes to a device, if it is still ready when the turn of the message has come. When the device is watched no longer
 * while the broker takes the message, that is not waited for; the device stays locked until it has come to its end.
 *
 * @param abandon the device can be watched no longer
 * @throws {HomieError} NOT_CONNECTED when nothing was or will be sent; those of `Connection.publish`; the reason of the
 * signal when something may have been sent
 */
export async function publishTo(
  { broker, device, abandon }: { readonly broker: HomieBroker; readonly device: string; readonly abandon: AbortSignal },
  { topic, payload, ...options }: Parcel,
): Promise<Published> {
  const tooLate = (): HomieError => new HomieError('NOT_CONNECTED', 'Its turn came too late; nothing was sent.');
  if (abandon.aborted) throw tooLate();
  let begun = false;
  const still = (): boolean => (begun = !abandon.aborted && isReady(broker, device));
  const publish = broker.connection.publish(topic, payload, { ...options, still });
  let giveUp = (): void => undefined;
  const abandoned = new Promise<never>((_, reject) => {
    giveUp = () => {
      if (!begun) return reject(tooLate());
      broker.locks.orphaned(device, publish, broker.registry.get(device)?.uptime !== undefined);
      reject(abandon.reason);
    };
    abandon.addEventListener('abort', giveUp, { once: true });
  });
  try {
    return await Promise.race([publish, abandoned]);
  } finally {
    abandon.removeEventListener('abort', giveUp);
  }
}
