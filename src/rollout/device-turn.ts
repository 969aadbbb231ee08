import type { Schedule } from './schedule';

/** The turn of a device in the plan of its job. A device asks for it whenever it can be served. */
export class DeviceTurn {
  readonly #device: string;
  readonly #schedule: Schedule;
  readonly #touch: () => void;
  /** Aborted when it is the turn of the device; undefined unless the device asks for it. */
  #asked: AbortController | undefined;

  /** @param touch has the device written down again, with how long it has been waited for */
  constructor(device: string, schedule: Schedule, touch: () => void) {
    this.#device = device;
    this.#schedule = schedule;
    this.#touch = touch;
  }

  /** The device is not there. */
  away(): void {
    this.#asked = undefined;
    this.#touch();
    this.#schedule.apply((plan, now) => plan.away(this.#device, now));
  }

  /** The device can be served. @returns the signal that is aborted when it is its turn */
  ask(woke: boolean): AbortSignal {
    const asked = new AbortController();
    this.#asked = asked;
    this.#touch();
    this.#schedule.apply((plan, now) => plan.asks(this.#device, woke, now));
    return asked.signal;
  }

  /** It is its turn. */
  come(): void {
    this.#touch();
    this.#asked?.abort();
    this.#asked = undefined;
  }

  /** It was its turn, but it had gone. */
  notSent(): void {
    this.#touch();
    this.#schedule.apply((plan) => plan.notSent(this.#device));
  }
}
