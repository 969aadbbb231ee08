/**
 * Waits for a promise until a signal is aborted.
 *
 * @returns the value of the promise; undefined if the signal is aborted first
 * @throws what the promise rejects with, unless the signal is aborted first
 */
export async function unlessAborted<T>(signal: AbortSignal, promise: Promise<T>): Promise<T | undefined> {
  if (signal.aborted) return undefined;
  // Node.js keeps a signal of AbortSignal.any in memory as long as it has a listener.
  const heard = new AbortController();
  const aborted = new Promise<undefined>((resolve) => {
    signal.addEventListener('abort', () => resolve(undefined), { signal: heard.signal });
  });
  try {
    return await Promise.race([promise, aborted]);
  } finally {
    heard.abort();
  }
}

/** Returns whether an error means that a signal was aborted, for instance by a cancel or the end of a node. */
export function isAbort(error: unknown): boolean {
  return error instanceof DOMException && error.name === 'AbortError';
}
