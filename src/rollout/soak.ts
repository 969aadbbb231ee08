import type { HomieBroker } from '../homie/broker';
import type { Device, DeviceEvent } from '../homie/device';
import { reachedUptime, restartShown, type Uptime } from '../homie/uptime';
import type { DeviceWatch } from '../homie/watch';
import type { Clock } from './clock';

/** How long a canary may be away before it counts as not well, in ms. */
const AWAY_LIMIT = 180_000;

/** `stayed`: well all the time. `dozed`: it went to sleep, and proves nothing. */
export type SoakEnd = 'stayed' | 'spoiled' | 'dozed';

/**
 * Watches whether a device stays ready, without another boot.
 *
 * A mere reconnect restarts the time, and so does a gap in our own connection. Where a device sends no uptime, a
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
  const canary = new Canary(broker.registry.get(device), since);
  const limitOf = (isWell: boolean): number => clock.now() + (isWell ? soak : AWAY_LIMIT);
  let limit = limitOf(canary.isWell);
  try {
    for (;;) {
      const event = await nextUntil({ broker, watch, clock }, limit, signal);
      if (event === undefined) return canary.isWell ? 'stayed' : 'spoiled';
      if (event.at < since) continue;
      const wasWell = canary.isWell;
      const end = canary.take(event, broker.registry.get(device)?.uptime !== undefined);
      if (end !== undefined) return end;
      if (canary.isWell !== wasWell) limit = limitOf(canary.isWell);
    }
  } finally {
    watch.close();
  }
}

/** Follows by the events of a device whether it is well. */
class Canary {
  readonly #before: Uptime;
  #connectedAt: number | undefined;
  #isWell: boolean;

  /** @param since ms of `performance.now()` */
  constructor(known: Device | undefined, since: number) {
    this.#before = known === undefined ? { value: 0, at: since } : reachedUptime(known, since);
    this.#isWell = known?.state?.value === 'ready';
  }

  get isWell(): boolean {
    return this.#isWell;
  }

  /**
   * Takes in an event.
   *
   * @param statistics whether the device sends its uptime
   * @returns how the observation ends, if it does
   */
  take(event: DeviceEvent, statistics: boolean): Exclude<SoakEnd, 'stayed'> | undefined {
    switch (event.attribute) {
      case 'connection':
        this.#connectedAt = undefined;
        if (event.value === 'lost') this.#isWell = false;
        return undefined;
      case 'uptime':
        return event.live && restartShown(this.#before, { ...event, connectedAt: this.#connectedAt })
          ? 'spoiled'
          : undefined;
      case 'state':
        return this.#takeState(event, statistics);
      default:
        return undefined;
    }
  }

  #takeState(
    { value, live, at }: Extract<DeviceEvent, { attribute: 'state' }>,
    statistics: boolean,
  ): Exclude<SoakEnd, 'stayed'> | undefined {
    const isConnect = live && value === 'init';
    if (isConnect) this.#connectedAt = at;
    if (value === 'sleeping' || value === 'disconnected') return 'dozed';
    this.#isWell = value === 'ready';
    return isConnect && !statistics ? 'spoiled' : undefined;
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
