import type { Happening, Moment } from './plan';

interface Due {
  readonly moment: Moment;
  readonly act: () => void;
  readonly mends: boolean;
  left: number;
}

/** Counts what happens, and does what is due then. */
export class Moments {
  readonly #due = new Set<Due>();

  /** @param act called when the moment has come, counted from now; what has just happened is dealt with first */
  on(moment: Moment, act: () => void): void {
    this.#due.add({ moment, act, mends: false, left: moment.nth });
  }

  /** The same for what ends a fault: it comes about in any case. */
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

  /** Mends what is broken now. @returns whether there was anything */
  mendAll(): boolean {
    const broken = [...this.#due].filter(({ mends }) => mends);
    for (const due of broken) {
      this.#due.delete(due);
      due.act();
    }
    return broken.length > 0;
  }

  /** Nothing more is to come. */
  end(): void {
    this.#due.clear();
  }
}
