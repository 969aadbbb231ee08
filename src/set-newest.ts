/**
 * Sets an entry of a map as its newest, and removes the oldest entry if the map then exceeds the limit.
 *
 * @returns the removed entry; undefined if there is none
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
