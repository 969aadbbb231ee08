/** Returns the least time that some work takes in five tries, in ms: a machine may be busy. */
export function leastTime(work: () => unknown): number {
  const tries = Array.from({ length: 5 }, () => {
    const begun = performance.now();
    work();
    return performance.now() - begun;
  });
  return Math.min(...tries);
}
