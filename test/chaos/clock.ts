const Real = globalThis.Date;
let offset = 0;

/** A wall clock that was set to another time. What is monotonic goes on as it was. */
class Jumped extends Real {
  constructor(...values: [] | [number | string | Date]) {
    if (values.length === 0) super(Real.now() + offset);
    else super(...values);
  }

  static override now(): number {
    return Real.now() + offset;
  }
}

/** Sets the wall clock of this process, in ms from what it shows. */
export function jump(by: number): void {
  offset += by;
  Reflect.set(globalThis, 'Date', Jumped);
}

/** Sets it right again. */
export function setRight(): void {
  offset = 0;
  Reflect.set(globalThis, 'Date', Real);
}
