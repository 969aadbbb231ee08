import type { HomieBroker } from '../homie/broker';
import { isOtherDevice } from '../homie/elapsed';
import { awaitReconnect } from '../homie/await-reconnect';
import type { DeviceObserver } from '../homie/device-observer';
import type { Outcome } from '../update/update';
import { judgeReturn, type Expectation } from './verdict';

/** A device that may still boot an image after its exchange. Holds no image, since the watch may take long. */
export interface LateInput extends Omit<Expectation, 'statistics'> {
  readonly broker: HomieBroker;
  readonly device: string;
  /** `$mac` before the publish. */
  readonly mac: string | undefined;
  /** The observer of the exchange: a reboot before the publish is not for the image. Its signal ends the watch. */
  readonly observer: DeviceObserver;
}

/**
 * Keeps watching, without a deadline, until the device shows what it has booted.
 *
 * @returns `succeeded` if the device runs the image; undefined if it runs something else, is shown to have nothing to
 *   boot, or can no longer be watched
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
  const { expected, before, flashed } = input;
  for (;;) {
    const statistics = broker.registry.get(device)?.uptime !== undefined;
    const back = await awaitReconnect(observer, {
      until: Infinity,
      ready: Infinity,
      statistics,
      verifying: () => undefined,
    });
    if (typeof back === 'string' || isOtherDevice(mac, broker.registry.get(device))) return undefined;
    if (back.checksum !== undefined) {
      const verdict = judgeReturn(back.checksum, back, observer, { expected, before, flashed, statistics });
      if (verdict.kind === 'succeeded') {
        await broker.locks.rebootedLate(device);
        return { state: 'succeeded', reboot: verdict.reboot };
      }
      if (verdict.kind === 'rebooted' || verdict.kind === 'failed') return undefined;
    }
    // A mere reconnect: the reboot is still to come, unless something else has shown it.
    if (!broker.locks.isRebootPending(device)) return undefined;
    observer.expectAnother();
  }
}
