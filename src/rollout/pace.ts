import { setImmediate } from 'node:timers/promises';

/**
 * Spreads work that would block the event loop if all of it started at once.
 *
 * @param atOnce how many may start in one turn of the event loop
 * @returns a function to await before each start
 */
export function pace(atOnce: number): () => Promise<void> {
  let begun = 0;
  let turn: Promise<void> = Promise.resolve();
  return () => {
    begun += 1;
    if (begun % atOnce === 0) turn = turn.then(() => setImmediate());
    return turn;
  };
}
