/** The limit of a figure. */
export type Limit = { readonly atMost: number } | { readonly atLeast: number };

/** The verdict about a figure. `measured`: the figure has no limit. */
export type Verdict = 'met' | 'missed' | 'measured' | 'not measured';

/** Returns the median. @throws {RangeError} if there are no values */
export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const upper = sorted[Math.floor(sorted.length / 2)];
  const lower = sorted[Math.floor((sorted.length - 1) / 2)];
  if (upper === undefined || lower === undefined) throw new RangeError('There is no median of nothing.');
  return (lower + upper) / 2;
}

/** Returns the smallest value that at least `percent` of 100 values do not exceed. @throws {RangeError} if there are none */
export function percentile(values: readonly number[], percent: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  const value = sorted[Math.ceil((sorted.length * percent) / 100) - 1];
  if (value === undefined) throw new RangeError('There is no percentile of nothing.');
  return value;
}

/** Returns the median of the package divided by that of the baseline. */
export function ratio(package_: readonly number[], baseline: readonly number[]): number {
  return median(package_) / median(baseline);
}

/** Returns the largest value divided by the smallest. @throws {RangeError} if there are no values */
export function spread(values: readonly number[]): number {
  if (values.length === 0) throw new RangeError('There is no spread of nothing.');
  return Math.max(...values) / Math.min(...values);
}

/** Compares a figure with its limit. An undefined figure meets no limit. */
export function judge(value: number | undefined, limit: Limit | undefined): Verdict {
  if (value === undefined) return 'not measured';
  if (limit === undefined) return 'measured';
  const met = 'atMost' in limit ? value <= limit.atMost : value >= limit.atLeast;
  return met ? 'met' : 'missed';
}

/**
 * Runs two or more contestants in turn, each equally often, in an order that is reversed each time: A B B A A B. So
 * none benefits from running later, or directly after a certain other one.
 */
export async function alternate<Name extends string, Result>(
  rounds: number,
  contestants: Readonly<Record<Name, () => Promise<Result>>>,
): Promise<Record<Name, Result[]>> {
  // The keys are the names of the contestants.
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion
  const names = Object.keys(contestants) as Name[];
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion
  const results = Object.fromEntries(names.map((name): [Name, Result[]] => [name, []])) as Record<Name, Result[]>;
  for (let round = 0; round < rounds; round += 1) {
    const order = round % 2 === 0 ? names : names.toReversed();
    for (const name of order) results[name].push(await contestants[name]());
  }
  return results;
}
