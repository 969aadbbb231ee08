/** The longest time that a timer takes, in ms. */
export const MAX_TIMER = 2 ** 31 - 1;

/**
 * Does something until a time has passed or a signal is aborted. The timer is held here and cleared at the end: Node.js 20
 * holds the parts of an `AbortSignal.any` weakly, so that an `AbortSignal.timeout` among them is collected and never fires.
 *
 * @param ms until the signal that `work` gets is aborted, with a TimeoutError
 * @param signal aborts it, too, with its own reason
 * @returns what `work` returns; it has to heed its signal
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
