import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { buildEsp32Image, buildEsp8266Image } from '../../test/support/images';
import { median, ratio } from '../arithmetic';
import type { Figure, Measurement } from '../figure';
import { Contestant } from '../process';
import type { handlers as Inspection } from '../processes/inspection';
import { ms } from '../text';

const SIZE = 4 * 1024 * 1024;

/** Inspection of an image of 4 MiB. */
export const inspection: Figure = {
  number: 6,
  title: 'Inspection of 4 MiB',
  async measure(bench) {
    const images = {
      ESP8266: buildEsp8266Image({ size: SIZE }),
      ESP32: buildEsp32Image({ size: SIZE }),
    };
    const measurements: Measurement[] = [];
    for (const [chip, image] of Object.entries(images)) {
      const file = path.join(bench.folder, `${chip}.bin`);
      await writeFile(file, image);
      const contestant = await Contestant.start<typeof Inspection>('inspection');
      const { ours, md5, native, held } = await contestant.ask('inspect', { file, rounds: bench.quick ? 3 : 15 });
      await contestant.stop();
      measurements.push(
        {
          what: `${chip}, against one MD5 of it as the package reckons it`,
          value: ratio(ours, md5),
          unit: 'x',
          limit: { atMost: 2 },
          note: `${ms(median(ours))} / ${ms(median(md5))}; by node:crypto ${ms(median(native))}`,
        },
        { what: `${chip}, event loop held at most`, value: held, unit: 'ms', limit: { atMost: 50 }, note: '' },
      );
    }
    return measurements;
  },
};
