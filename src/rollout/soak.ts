import type { HomieBroker } from '../homie/broker';
import type { DeviceEvent } from '../homie/device';
import { reachedUptime, restartShown, type Uptime } from '../homie/uptime';
import type { DeviceWatch } from '../homie/watch';
import type { Clock } from './clock';

/** How long a canary may be away before it counts as not well, in ms. */
const AWAY_LIMIT = 180_000;

/** `stayed`: well all the time. `dozed`: it went to sleep, and proves nothing. */
export type SoakEnd = 'stayed' | 'spoiled' | 'dozed';

/** A canary, and the job that watches it. */
interface Soaking {
  readonly broker: HomieBroker;
  readonly device: string;
  readonly clock: Clock;
  /** ms on the clock. */
  readonly soak: number;
  readonly job: string;
}

/**
 * Watches a device as `soakDevice` does, and locks it: nobody else may reboot it meanwhile.
 *
 * @param abandon a later job may go on with it
 * @param over nobody wants to know any more
 * @returns undefined when it was given up by `abandon`
 */
export async function soakLocked(
  { job, soak, ...subject }: Soaking,
  abandon: AbortSignal,
  over: AbortSignal,
): Promise<SoakEnd | undefined> {
  const { broker, device } = subject;
  try {
    broker.locks.acquire(device, job);
  } catch {
    return 'dozed';
  }
  try {
    return await soakDevice(subject, soak, AbortSignal.any([abandon, over]));
  } catch {
    // When the job is retried, another canary is taken.
    return abandon.aborted ? undefined : 'dozed';
  } finally {
    broker.locks.release(device, job);
  }
}

/**
 * Watches whether a device stays ready, without another boot.
 *
 * A mere reconnect begins the time anew, and so does a gap in our own connection. Where a device sends no uptime, a
 * reconnect counts as a boot: the two cannot be told apart.
 *
 * @param soak ms on the clock
 * @param signal rejects with its reason
 */
export async function soakDevice(
  { broker, device, clock }: { broker: HomieBroker; device: string; clock: Clock },
  soak: number,
  signal: AbortSignal,
): Promise<SoakEnd> {
  const watch = broker.watch(device);
  const since = performance.now();
  const known = broker.registry.get(device);
  const before = known === undefined ? { value: 0, at: since } : reachedUptime(known, since);
  let connectedAt: number | undefined;
  let well = known?.state?.value === 'ready';
  let limit = clock.now() + (well ? soak : AWAY_LIMIT);
  try {
    for (;;) {
      const event = await nextUntil({ broker, watch, clock }, limit, signal);
      if (event === undefined) return well ? 'stayed' : 'spoiled';
      if (event.at < since) continue;
      const statistics = broker.registry.get(device)?.uptime !== undefined;
      if (event.attribute === 'connection') connectedAt = undefined;
      if (event.attribute === 'state' && event.live && event.value === 'init') connectedAt = event.at;
      const sign = read(event, { before, connectedAt, statistics });
      if (sign === undefined) continue;
      if (sign === 'dozed' || sign === 'spoiled') return sign;
      if (well === (sign === 'well')) continue;
      well = sign === 'well';
      limit = clock.now() + (well ? soak : AWAY_LIMIT);
    }
  } finally {
    watch.close();
  }
}

function read(
  event: DeviceEvent,
  {
    before,
    connectedAt,
    statistics,
  }: { readonly before: Uptime; readonly connectedAt: number | undefined; readonly statistics: boolean },
): SoakEnd | 'well' | 'away' | undefined {
  switch (event.attribute) {
    case 'connection':
      return event.value === 'lost' ? 'away' : undefined;
    case 'uptime':
      return event.live && restartShown(before, { ...event, connectedAt }) ? 'spoiled' : undefined;
    case 'state':
      if (event.value === 'ready') return 'well';
      if (event.value === 'sleeping' || event.value === 'disconnected') return 'dozed';
      return event.live && event.value === 'init' && !statistics ? 'spoiled' : 'away';
    default:
      return undefined;
  }
}

/**
 * The next event of a device; undefined when a time on the clock of the rollout has come, and the broker has answered since:
 * a connection that is dead, and not yet known to be lost, tells nothing.
 */
async function nextUntil(
  { broker, watch, clock }: { broker: HomieBroker; watch: DeviceWatch; clock: Clock },
  until: number,
  signal: AbortSignal,
): Promise<DeviceEvent | undefined> {
  const over = new AbortController();
  const callOff = clock.at(until, () => over.abort());
  try {
    return await watch.next(Number.POSITIVE_INFINITY, AbortSignal.any([signal, over.signal]));
  } catch (error) {
    if (signal.aborted || !over.signal.aborted) throw error;
  } finally {
    callOff();
  }
  await broker.heard(signal);
  return watch.next(0, signal);
}
