/** What a figure may be. */
export type Limit = { readonly atMost: number } | { readonly atLeast: number };

/** `measured`: there is no limit for it. */
export type Verdict = 'met' | 'missed' | 'measured' | 'not measured';

/** @throws {RangeError} when there are no values */
export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const upper = sorted[Math.floor(sorted.length / 2)];
  const lower = sorted[Math.floor((sorted.length - 1) / 2)];
  if (upper === undefined || lower === undefined) throw new RangeError('There is no median of nothing.');
  return (lower + upper) / 2;
}

/** The median of the one by that of the other. */
export function ratio(package_: readonly number[], baseline: readonly number[]): number {
  return median(package_) / median(baseline);
}

/** The largest by the smallest. */
export function spread(values: readonly number[]): number {
  if (values.length === 0) throw new RangeError('There is no spread of nothing.');
  return Math.max(...values) / Math.min(...values);
}

/** A figure that could not be reckoned meets no limit. */
export function judge(value: number | undefined, limit: Limit | undefined): Verdict {
  if (value === undefined) return 'not measured';
  if (limit === undefined) return 'measured';
  const met = 'atMost' in limit ? value <= limit.atMost : value >= limit.atLeast;
  return met ? 'met' : 'missed';
}

/**
 * Runs two or more contestants in turn, each as often as the others, in an order that is turned round each time: A B B A A B.
 * None profits from what comes later, or from what came just before.
 */
export async function alternate<Name extends string, Result>(
  rounds: number,
  contestants: Readonly<Record<Name, () => Promise<Result>>>,
): Promise<Record<Name, Result[]>> {
  // The keys are those of the contestants.
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
