import type { HomieBroker } from '../homie/broker';
import type { Device, DeviceEvent } from '../homie/device';
import { reachedUptime, restartShown, type Uptime } from '../homie/uptime';
import type { DeviceWatch } from '../homie/watch';
import type { Clock } from './clock';

/** How long a canary may be away before its observation fails, in ms. */
const AWAY_LIMIT = 180_000;

/**
 * The result of an observation. `stayed`: the canary stayed ready. `spoiled`: it rebooted, or was not ready for too
 * long. `dozed`: the observation proves nothing, for instance because the canary went to sleep.
 */
export type SoakEnd = 'stayed' | 'spoiled' | 'dozed';

interface SoakInput {
  readonly broker: HomieBroker;
  readonly device: string;
  readonly clock: Clock;
  /** Called with the time on the clock when the observation ends, whenever that changes; undefined while it is not known. */
  readonly ends?: (at: number | undefined) => void;
}

/**
 * Observes whether a device stays ready without another boot.
 *
 * The observation time restarts after a reconnect of the device, and after a gap in our own connection. `$stats/uptime`
 * distinguishes a reconnect from a boot; if a device sends no uptime, each reconnect counts as a boot.
 *
 * @param soak observation time, in ms on the clock
 * @throws the reason of the signal
 */
export async function soakDevice(
  { broker, device, clock, ends = () => undefined }: SoakInput,
  soak: number,
  signal: AbortSignal,
): Promise<SoakEnd> {
  const watch = broker.watch(device);
  const since = performance.now();
  const canary = new Canary(broker.registry.get(device), since);
  const limitOf = ({ isWell }: Canary): number => {
    const limit = clock.now() + (isWell ? soak : AWAY_LIMIT);
    ends(isWell ? limit : undefined);
    // While we are away ourselves, the canary is not seen.
    return broker.status.state === 'connected' ? limit : Infinity;
  };
  let limit = limitOf(canary);
  const events: Events = { broker, watch, clock, heardFor: undefined };
  try {
    for (;;) {
      const event = await nextUntil(events, limit, signal);
      if (event === undefined) return canary.isWell ? 'stayed' : 'spoiled';
      if (event.at < since) continue;
      const wasWell = canary.isWell;
      const end = canary.take(event, broker.registry.get(device)?.uptime !== undefined);
      if (end !== undefined) return end;
      if (canary.isWell !== wasWell || event.attribute === 'connection') limit = limitOf(canary);
    }
  } finally {
    watch.close();
  }
}

/** Tracks by the events of a device whether it stays ready while our own connection is up. */
class Canary {
  readonly #before: Uptime;
  /** The connection of the device, if it began during the observation: see `Uptime`. */
  #connection: Pick<Uptime, 'connectedAt' | 'connectedFrom'> = {};
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
   * Processes an event.
   *
   * @param statistics whether the device sends its uptime
   * @returns how the observation ends, if it does
   */
  take(event: DeviceEvent, statistics: boolean): Exclude<SoakEnd, 'stayed'> | undefined {
    switch (event.attribute) {
      case 'connection':
        this.#connection = { connectedAt: event.at };
        if (event.value === 'lost') this.#isWell = false;
        return undefined;
      case 'uptime':
        return event.live && restartShown(this.#before, { ...event, ...this.#connection }) ? 'spoiled' : undefined;
      case 'state':
        return this.#takeState(event, statistics);
      default:
        return undefined;
    }
  }

  #takeState(
    { value, live, at, from = at }: Extract<DeviceEvent, { attribute: 'state' }>,
    statistics: boolean,
  ): Exclude<SoakEnd, 'stayed'> | undefined {
    const isConnect = live && value === 'init';
    if (isConnect) this.#connection = { connectedAt: at, connectedFrom: from };
    if (value === 'sleeping' || value === 'disconnected') return 'dozed';
    this.#isWell = value === 'ready';
    return isConnect && !statistics ? 'spoiled' : undefined;
  }
}

interface Events {
  readonly broker: HomieBroker;
  readonly watch: DeviceWatch;
  readonly clock: Clock;
  /** The broker has answered after this time on the clock. */
  heardFor: number | undefined;
}

/**
 * Returns the next event of a device, or undefined when a time on the clock has come and the broker has answered after
 * that: without the answer, the connection could be dead without our knowing, and events be missing.
 */
async function nextUntil(events: Events, until: number, signal: AbortSignal): Promise<DeviceEvent | undefined> {
  const { broker, watch, clock } = events;
  // Everything that was in time has arrived, even if messages keep arriving.
  if (events.heardFor === until) return watch.next(0, signal);
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
  events.heardFor = until;
  return watch.next(0, signal);
}
