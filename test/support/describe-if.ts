/**
 * Returns `describe`; or, where a tool that the suite needs is missing, one that skips the suite with all its hooks. A
 * hook that skips does not: mocha still runs the hooks at the end, for what was never started.
 */
export function describeIf(available: boolean): (title: string, suite: (this: Mocha.Suite) => void) => void {
  return available ? describe : describe.skip;
}
