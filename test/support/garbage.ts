import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

setFlagsFromString('--expose-gc');
const collect: () => void = runInNewContext('gc');

/** Collects garbage again and again while something goes on: what nobody holds does not live until its time has come. */
export async function amidGarbageCollection<T>(work: Promise<T>): Promise<T> {
  const timer = setInterval(collect, 100);
  try {
    return await work;
  } finally {
    clearInterval(timer);
  }
}
