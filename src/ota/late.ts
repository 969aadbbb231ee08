import type { HomieBroker } from '../homie/broker';
import { isOtherDevice } from '../homie/elapsed';
import { awaitReconnect } from '../homie/await-reconnect';
import type { DeviceObserver } from '../homie/device-observer';
import type { Outcome } from '../update/update';
import { judgeReturn, type Expectation } from './verdict';

/** A device that may still boot an image after the end of its exchange. It holds no image: it may be watched for long. */
export interface LateInput extends Expectation {
  readonly broker: HomieBroker;
  readonly device: string;
  /** `$mac` before the publish. */
  readonly mac: string | undefined;
  /** As it was in the exchange: a reboot before the publish is not for the image. Its signal ends the watching. */
  readonly observer: DeviceObserver;
}

/**
 * Watches on, without a deadline, until the device shows what it has booted.
 *
 * @returns `succeeded` when it runs the image; undefined when it runs something else, or can be watched no longer
 */
export async function lateOutcome(input: LateInput): Promise<Outcome | undefined> {
  try {
    return await untilShown(input);
  } catch {
    return undefined;
  }
}

async function untilShown(input: LateInput): Promise<Outcome | undefined> {
  const { broker, device, mac, observer } = input;
  for (;;) {
    const back = await awaitReconnect(observer, {
      until: Infinity,
      ready: Infinity,
      statistics: broker.registry.get(device)?.uptime !== undefined,
      verifying: () => undefined,
    });
    if (typeof back === 'string' || isOtherDevice(mac, broker.registry.get(device))) return undefined;
    if (back.checksum !== undefined) {
      const verdict = judgeReturn(back.checksum, back, observer, input);
      if (verdict.kind === 'succeeded') {
        // Another job may have the device by now, and something of its own to boot.
        if (broker.locks.holder(device) === undefined) await broker.locks.rebooted(device);
        return { state: 'succeeded', reboot: verdict.reboot };
      }
      if (verdict.kind === 'rebooted' || verdict.kind === 'failed') return undefined;
    }
    // A mere reconnect: the reboot is still to come, unless it was shown in another way.
    if (!broker.locks.isRebootPending(device)) return undefined;
    observer.expectAnother();
  }
}
