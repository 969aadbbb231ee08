import type { Schedule } from './schedule';

/** The turn of a device in the plan of its job. Each time the device can be served, it requests its turn. */
export class DeviceTurn {
  readonly #device: string;
  readonly #schedule: Schedule;
  readonly #touch: () => void;
  /** Aborted when the turn of the device comes; undefined while the device has not requested it. */
  #asked: AbortController | undefined;

  /** @param touch marks the device to be stored again, including how long the job has waited for it */
  constructor(device: string, schedule: Schedule, touch: () => void) {
    this.#device = device;
    this.#schedule = schedule;
    this.#touch = touch;
  }

  /** Reports to the plan that the device cannot be served. */
  away(): void {
    this.#asked = undefined;
    this.#touch();
    this.#schedule.apply((plan, now) => plan.away(this.#device, now));
  }

  /**
   * Requests the turn of the device, which can be served.
   *
   * @param woke whether the device came while the job waited for it
   * @returns a signal that is aborted when the turn comes
   */
  ask(woke: boolean): AbortSignal {
    const asked = new AbortController();
    this.#asked = asked;
    this.#touch();
    this.#schedule.apply((plan, now) => plan.asks(this.#device, woke, now));
    return asked.signal;
  }

  /** Gives the device its turn. */
  come(): void {
    this.#touch();
    this.#asked?.abort();
    this.#asked = undefined;
  }

  /** Reports to the plan whether the device waits between two steps of a change. */
  between(isWaiting: boolean): void {
    this.#schedule.apply((plan) => plan.holds.between(this.#device, isWaiting));
  }

  /** Reports to the plan that nothing was sent, because the device had gone. */
  notSent(): void {
    this.#touch();
    this.#schedule.apply((plan) => plan.notSent(this.#device));
  }
}
