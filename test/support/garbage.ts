import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

setFlagsFromString('--expose-gc');
/** A collection of all that is not reachable. */
export const collect: () => void = runInNewContext('gc');

/** Bytes of the heap that are in use after a collection. */
export function usedHeap(): number {
  collect();
  return process.memoryUsage().heapUsed;
}

/** Collects garbage again and again while something goes on: what nobody holds does not live until its time has come. */
export async function amidGarbageCollection<T>(work: Promise<T>): Promise<T> {
  const timer = setInterval(collect, 100);
  try {
    return await work;
  } finally {
    clearInterval(timer);
  }
}
