import { asHomieError, HomieError } from '../errors';
import type { Device } from './device';
import { readTop } from './own-config';
import { isConnectionGone, settledOrAbandoned, settleFor } from './presence';
import { DeviceObserver } from './device-observer';
import type { Serving } from './serving';
import type { Outcome } from '../update/update';

type Unwatched = Pick<Serving, 'broker' | 'device' | 'abandon'>;

/**
 * Judges a device that was sent something and then no longer watched, by what it shows from now on. Starts over if our
 * own connection is lost, since nothing can be said about a device without it.
 *
 * @param failed returns the result for an error: ABANDONED, or what `judge` threw
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
 * Watches a device, without a deadline, that may still boot what it was sent before it was no longer watched. Sends
 * nothing.
 *
 * @param look returns what the device shows; undefined as long as that is nothing
 * @returns undefined if the device has nothing to boot any more, if another patch was sent to it, or if it can no
 *   longer be watched
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
          await locks.rebootedLate(device);
          return outcome;
        }
        // If another patch was sent meanwhile, the next reboot may be for that one.
        if (observer.patches > 0 || !locks.isRebootPending(device)) return undefined;
        await observer.next(Infinity);
      }
    },
    () => undefined,
  );
}

/**
 * Returns the error for a device whose retained values no live message has confirmed: it may send its statistics too
 * seldom.
 *
 * @param waited how long its uptime was waited for, in ms
 */
export function unconfirmed({ config }: Device, waited: number): HomieError {
  const interval = config && statisticsInterval(config.value);
  if (interval === undefined || interval * 1000 <= waited) return new HomieError('UNCONFIRMED');
  return new HomieError('UNCONFIRMED.interval', { interval });
}

/**
 * Returns how often a device sends its statistics, in s, from `$implementation/config`; undefined if that does not say.
 */
function statisticsInterval(config: string): number | undefined {
  const interval = readTop(config, 'device_stats_interval');
  return typeof interval === 'number' ? interval : undefined;
}
