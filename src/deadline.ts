/** The longest delay that a timer accepts, in ms. */
export const MAX_TIMER = 2 ** 31 - 1;

/**
 * Runs `work` until a time has passed or a signal is aborted. Holds the timer here and clears it at the end: Node.js 20
 * holds the parts of an `AbortSignal.any` weakly, so an `AbortSignal.timeout` among them is collected and never fires.
 *
 * @param ms time in ms after which the signal of `work` is aborted with a TimeoutError
 * @param signal also aborts the signal of `work`, with its own reason
 * @returns what `work` returns; `work` must heed its signal
 */
export async function withDeadline<T>(
  ms: number,
  signal: AbortSignal | undefined,
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const over = new AbortController();
  const timer = setTimeout(() => over.abort(new DOMException(`${ms} ms have passed`, 'TimeoutError')), ms);
  try {
    return await work(signal === undefined ? over.signal : AbortSignal.any([signal, over.signal]));
  } finally {
    clearTimeout(timer);
  }
}
