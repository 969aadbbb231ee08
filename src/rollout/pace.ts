import { setImmediate } from 'node:timers/promises';

/**
 * Spreads the start of work over turns of the event loop, which it would block if it all started at once.
 *
 * @param atOnce maximum number of starts in one turn of the event loop
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
