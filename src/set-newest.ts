/**
 * Sets an entry of a map as its newest one, and removes the oldest where there are more than the limit then.
 *
 * @returns the entry that was removed
 */
export function setNewest<Key, Value>(
  map: Map<Key, Value>,
  key: Key,
  value: Value,
  limit: number,
): readonly [Key, Value] | undefined {
  map.delete(key);
  map.set(key, value);
  if (map.size <= limit) return undefined;
  const [oldest] = map;
  if (oldest !== undefined) map.delete(oldest[0]);
  return oldest;
}
