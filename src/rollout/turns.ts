/** Hands out one turn after the other, in the order of asking. */
export class Turns {
  #last: Promise<void> = Promise.resolve();

  /**
   * Resolves when everybody who asked before has handed on the turn.
   *
   * @param signal gives up waiting, and rejects with its reason
   * @returns the function that hands the turn on
   */
  async next(signal: AbortSignal): Promise<() => void> {
    const before = this.#last;
    const { promise, resolve } = deferred();
    this.#last = promise;
    const given = deferred();
    const giveUp = (): void => given.reject(signal.reason);
    signal.addEventListener('abort', giveUp, { once: true });
    if (signal.aborted) giveUp();
    before.then(given.resolve, given.reject);
    try {
      await given.promise;
      return resolve;
    } catch (error) {
      // Whoever comes next still waits for those before.
      void before.then(resolve);
      throw error;
    } finally {
      signal.removeEventListener('abort', giveUp);
    }
  }
}

function deferred(): { promise: Promise<void>; resolve: () => void; reject: (reason: unknown) => void } {
  let resolve: () => void = () => undefined;
  let reject: (reason: unknown) => void = () => undefined;
  const promise = new Promise<void>((onResolve, onReject) => {
    resolve = onResolve;
    reject = onReject;
  });
  return { promise, resolve, reject };
}
