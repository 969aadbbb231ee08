const Real = globalThis.Date;
let offset = 0;

/** A wall clock that was set to another time. Monotonic clocks are not affected. */
class Jumped extends Real {
  constructor(...values: [] | [number | string | Date]) {
    if (values.length === 0) super(Real.now() + offset);
    else super(...values);
  }

  static override now(): number {
    return Real.now() + offset;
  }
}

/** Moves the wall clock of this process by a number of ms. */
export function jump(by: number): void {
  offset += by;
  Reflect.set(globalThis, 'Date', Jumped);
}

/** Restores the wall clock. */
export function setRight(): void {
  offset = 0;
  Reflect.set(globalThis, 'Date', Real);
}
