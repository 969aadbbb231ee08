import { mkdtemp } from 'node:fs/promises';
import path from 'node:path';
import { alternate, median, ratio } from '../arithmetic';
import type { Figure } from '../figure';
import { SIZE } from '../images';
import { Contestant } from '../process';
import type { handlers as NodeRed } from '../processes/node-red';
import { runReference } from '../reference';
import { Scene } from '../scene';
import { ms } from '../text';

/** ms. */
const REBOOT = 200;

/** From the message that brings an image to the proof that it runs. */
export const proof: Figure = {
  number: 2,
  title: 'From the input message to the proof',
  async measure(bench) {
    const { folder, reference } = bench;
    const scene = await Scene.open({ folder, count: 1, size: SIZE, reboot: REBOOT });
    const nodeRed = await Contestant.start<typeof NodeRed>('node-red');
    /** Brings the next image onto the device, and waits until all is quiet. @returns ms to the proof */
    const bring = async (send: (file: string) => Promise<number>): Promise<number> => {
      const image = scene.next();
      const time = await send(image.file);
      await scene.devices.ask('run', { md5: image.md5, count: 1 });
      return time;
    };
    const contestants: Record<string, () => Promise<number>> = {
      ours: async (): Promise<number> => {
        // It would hold back an image that somebody else has replaced.
        const userDir = await mkdtemp(path.join(folder, 'node-red-'));
        await nodeRed.ask('open', { url: scene.url, folder: userDir });
        const time = await bring((file) => nodeRed.ask('update', file));
        await nodeRed.ask('close');
        return time;
      },
      ...(reference !== undefined && {
        theirs: () => bring((file) => runReference({ ...bench, reference }, scene.url, file)),
      }),
    };
    try {
      await alternate(1, contestants);
      const { ours, theirs } = await alternate(bench.quick ? 3 : 11, contestants);
      const time = ms(median(ours ?? []));
      return [
        {
          what: 'against ota_updater.py',
          value: theirs === undefined ? undefined : ratio(ours ?? [], theirs),
          unit: 'x',
          limit: { atMost: 1 },
          note: theirs === undefined ? `${time} / -; needs --reference` : `${time} / ${ms(median(theirs))}`,
        },
      ];
    } finally {
      await nodeRed.stop();
      await scene.close();
    }
  },
};
