/**
 * Waits for something, until a signal is aborted.
 *
 * @returns undefined when the signal is aborted first
 * @throws what the promise rejects with, as long as the signal is not aborted
 */
export async function unlessAborted<T>(signal: AbortSignal, promise: Promise<T>): Promise<T | undefined> {
  if (signal.aborted) return undefined;
  // Node.js keeps a signal of AbortSignal.any for as long as somebody listens to it.
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

/** Whether work was given up because its signal was aborted, as by a cancel or the end of its node. */
export function isAbort(error: unknown): boolean {
  return error instanceof DOMException && error.name === 'AbortError';
}
