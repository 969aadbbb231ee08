import { asHomieError, HomieError } from '../errors';
import type { HomieBroker } from './broker';
import type { Device } from './device';
import { isConnectionGone, settledOrAbandoned, settleFor } from './presence';
import { DeviceObserver } from './device-observer';
import type { Outcome } from '../update/update';

interface Unwatched {
  readonly broker: HomieBroker;
  readonly device: string;
  /** The device can be watched no longer. */
  readonly abandon: AbortSignal;
}

/**
 * Judges a device that was sent something and then watched no longer, by what is seen of it from now on. Starts again where
 * our own connection was lost, since nothing can be said of a device without one.
 *
 * @param failed gives the end for an error: ABANDONED, or what `judge` threw
 */
export async function judgeUnwatched<End>(
  { broker, device, abandon }: Unwatched,
  judge: (observer: DeviceObserver) => Promise<End>,
  failed: (error: HomieError) => End,
): Promise<End> {
  const watch = broker.watch(device);
  try {
    for (;;) {
      await settledOrAbandoned(broker, abandon);
      try {
        return await judge(new DeviceObserver({ broker, watch, signal: abandon }));
      } catch (error) {
        if (!isConnectionGone(error)) throw error;
      }
    }
  } catch (error) {
    return failed(abandon.aborted ? new HomieError('ABANDONED') : asHomieError(error));
  } finally {
    watch.close();
  }
}

/**
 * Watches on, without a deadline, a device that may still boot what it was sent before it was watched no longer. Nothing is
 * sent.
 *
 * @param look what the device shows, undefined as long as that is nothing
 * @returns undefined when it was shown otherwise that the device has nothing to boot, another patch was sent to it, or it can be
 * watched no longer
 */
export function lateOutcomeUnwatched(
  input: Unwatched,
  look: (device: Device, observer: DeviceObserver) => Outcome | undefined,
): Promise<Outcome | undefined> {
  const { broker, device, abandon } = input;
  const { locks, registry } = broker;
  return judgeUnwatched(
    input,
    async (observer) => {
      for (;;) {
        await settleFor(broker, device, abandon);
        const known = registry.get(device);
        const outcome = known && observer.patches === 0 ? look(known, observer) : undefined;
        if (outcome !== undefined) {
          // Another job may have the device by now, and something of its own to boot.
          if (locks.holder(device) === undefined) await locks.rebooted(device);
          return outcome;
        }
        // The next reboot may be for another patch, where one was sent meanwhile.
        if (observer.patches > 0 || !locks.isRebootPending(device)) return undefined;
        await observer.next(Infinity);
      }
    },
    () => undefined,
  );
}

/**
 * Returns why nothing live has confirmed what the broker has retained of a device: it may send its statistics too seldom.
 *
 * @param waited for how long its uptime was waited for, in ms
 */
export function unconfirmed({ config }: Device, waited: number): HomieError {
  const interval = config && statisticsInterval(config.value);
  if (interval === undefined || interval * 1000 <= waited) return new HomieError('UNCONFIRMED');
  return new HomieError('UNCONFIRMED.interval', { interval });
}

/** How often a device sends its statistics, in s, by `$implementation/config`; undefined where that does not tell. */
function statisticsInterval(config: string): number | undefined {
  try {
    const interval: unknown = Reflect.get(Object(JSON.parse(config)), 'device_stats_interval');
    return typeof interval === 'number' ? interval : undefined;
  } catch {
    return undefined;
  }
}
