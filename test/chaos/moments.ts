import type { Happening, Moment } from './plan';

interface Due {
  readonly moment: Moment;
  readonly act: () => void;
  readonly mends: boolean;
  left: number;
}

/** Counts events, and runs actions at their moments. */
export class Moments {
  readonly #due = new Set<Due>();

  /** Schedules an action. @param act called at the moment, counted from now, after the event has been handled */
  on(moment: Moment, act: () => void): void {
    this.#due.add({ moment, act, mends: false, left: moment.nth });
  }

  /** Schedules the end of a fault, which happens in any case: at the moment, or in `mendAll`. */
  mend(moment: Moment, act: () => void): void {
    this.#due.add({ moment, act, mends: true, left: moment.nth });
  }

  tell(event: Happening, device?: number): void {
    for (const due of this.#due) {
      if (due.moment.event !== event || (due.moment.device !== undefined && due.moment.device !== device)) continue;
      due.left -= 1;
      if (due.left > 0) continue;
      this.#due.delete(due);
      queueMicrotask(due.act);
    }
  }

  /** Ends all current faults. @returns whether there were any */
  mendAll(): boolean {
    const broken = [...this.#due].filter(({ mends }) => mends);
    for (const due of broken) {
      this.#due.delete(due);
      due.act();
    }
    return broken.length > 0;
  }

  /** Drops everything that is scheduled. */
  end(): void {
    this.#due.clear();
  }
}
