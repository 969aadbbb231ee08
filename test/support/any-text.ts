import fc from 'fast-check';

/**
 * Returns an arbitrary text, with characters of any plane and halves of surrogate pairs. `fc.string` with binary units
 * takes a second to make, in each process.
 */
export function anyText(constraints: fc.ArrayConstraints = {}): fc.Arbitrary<string> {
  const unit = fc.oneof(fc.nat(0x7f), fc.nat(0xffff));
  return fc.array(unit, constraints).map((units) => String.fromCharCode(...units));
}
