/** Random choices that are the same for the same seed. */
export interface Random {
  /** Returns a whole number from 0 to less than a limit. */
  int(below: number): number;
  pick<T>(from: readonly [T, ...T[]]): T;
  shuffle<T>(values: readonly T[]): T[];
}

/** Returns a source of random choices (xorshift32). @param seed a whole number */
export function random(seed: number): Random {
  let state = Math.imul(seed + 1, 0x9e3779b1) || 1;
  const int = (below: number): number => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) % below;
  };
  return {
    int,
    pick: (from) => from[int(from.length)] ?? from[0],
    shuffle: (values) =>
      values
        .map((value) => ({ value, at: int(1 << 30) }))
        .sort((a, b) => a.at - b.at)
        .map(({ value }) => value),
  };
}
