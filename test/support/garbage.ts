import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

setFlagsFromString('--expose-gc');
/** Runs the garbage collector. */
export const collect: () => void = runInNewContext('gc');

/** Returns the bytes of the heap that are in use after a garbage collection. */
export function usedHeap(): number {
  collect();
  return process.memoryUsage().heapUsed;
}

/** Runs the garbage collector every 100 ms until `work` settles, so that no unreferenced object survives by chance. */
export async function amidGarbageCollection<T>(work: Promise<T>): Promise<T> {
  const timer = setInterval(collect, 100);
  try {
    return await work;
  } finally {
    clearInterval(timer);
  }
}
