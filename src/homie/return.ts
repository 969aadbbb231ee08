import type { Advertisement, Sight } from './sight';

/** How long after `ready` the statistics of a device are waited for, in ms. It sends them at once. */
const STATISTICS = 5_000;

export interface ReturnDeadlines {
  /** When the device must have connected anew, on the clock of the sight. */
  readonly until: number;
  /** How long it may take from there until it is ready, in ms. */
  readonly ready: number;
  /** Whether the device is known to send statistics. */
  readonly statistics: boolean;
  /** Called when it is ready, and only its statistics are waited for. */
  readonly verifying: () => void;
}

/** The next connect of a device with all that it brings, or why there is none in time. */
export async function nextReturn(
  sight: Sight,
  { until, ready, statistics, verifying }: ReturnDeadlines,
): Promise<Advertisement | 'never' | 'not_ready'> {
  let beganAt: number | undefined;
  for (;;) {
    const current = sight.advertisement;
    beganAt ??= current?.live === true ? current.beganAt : undefined;
    let limit = beganAt === undefined ? until : beganAt + ready;
    if (current?.readyAt !== undefined) {
      if (current.uptime !== undefined || (current.live && !statistics)) return current;
      verifying();
      limit = current.live ? current.readyAt + STATISTICS : until;
    }
    const event = await sight.next(limit);
    if (event !== undefined) continue;
    if (current?.readyAt !== undefined) return current;
    return beganAt === undefined ? 'never' : 'not_ready';
  }
}
