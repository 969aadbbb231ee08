import { HomieError } from '../errors';
import type { HomieBroker } from '../homie/broker';
import { isReady, decidableAt, completeAt } from '../homie/presence';
import { showableAt } from '../homie/uptime';
import type { Address } from './relocation';

/**
 * Returns from when on a patch can be sent to a device that is ready and whose configuration is known, in ms of
 * `performance.now()`: where it has just booted, a reboot that follows at once could not be told from none. Of a device that
 * is ready and publishes too little, from when on that is known. Undefined when it is not there.
 */
export function readyAt(broker: HomieBroker, id: string): number | undefined {
  const known = broker.registry.get(id);
  if (known?.state === undefined || !isReady(broker, id)) return decidableAt(broker, id);
  return known.config === undefined ? completeAt(broker, known.state.at) : showableAt(known, performance.now());
}

/**
 * Waits until the next reboot of a device that has just booted can be shown.
 *
 * @param atMost how long to wait for more reboots of it, in ms
 * @throws {HomieError} NOT_READY when it does not stay up in that time
 */
export async function untilRebootShowable(
  { broker, device, watch }: Address,
  atMost: number,
  stop: AbortSignal,
): Promise<void> {
  let until: number | undefined;
  for (;;) {
    const known = broker.registry.get(device);
    const now = performance.now();
    if (known?.state?.value !== 'ready') return;
    const at = showableAt(known, now);
    if (at <= now) return;
    until ??= at + atMost;
    if (now >= until) throw new HomieError('NOT_READY.restarting');
    await watch.next(at, stop);
  }
}
