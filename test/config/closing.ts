/** Gives up a device while the second part of a patch is written down. A process of its own: it might never end. */
import { bringPatch } from '../../src/config/exchange';
import { readPatch } from '../../src/config/patch';
import { startAedes } from '../support/aedes';
import { serving } from '../ota/lab';
import { missesNothing, patient, withLab } from './lab';

const texts = { a: 'a'.repeat(100), b: 'b'.repeat(100), c: 'c'.repeat(100) };

async function giveUp(): Promise<void> {
  const aedes = await startAedes();
  await withLab(aedes.url, { id: 'lamp' }, async ({ broker, device }) => {
    const abandon = new AbortController();
    broker.locks.acquire(device.id, 'test');
    const outcome = await bringPatch({
      ...serving(broker, device.id),
      ...missesNothing,
      patch: readPatch({ settings: texts }),
      settings: { ...patient, split: true, secretBytes: 10 },
      abandon: abandon.signal,
      begin: async (_device, _check, done) => {
        if (done === 1) abandon.abort();
        return false;
      },
    });
    broker.locks.release(device.id, 'test');
    process.send?.([outcome?.state, outcome && 'error' in outcome && outcome.error.code, device.patches.length]);
  });
  await aedes.close();
  process.disconnect();
}

void giveUp();
