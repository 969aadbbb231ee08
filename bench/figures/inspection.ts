import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { buildEsp32Image, buildEsp8266Image } from '../../test/support/images';
import { median, ratio } from '../arithmetic';
import { Participant } from '../process';
import type { tasks as Package } from '../processes/package';
import { ms, type Figure, type Measurement } from '../report';

const SIZE = 4 * 1024 * 1024;

/** Inspection of an image of 4 MiB. */
export const inspection: Figure = {
  number: 6,
  title: 'Inspection of 4 MiB',
  async measure({ quick, folder }) {
    const images = { ESP8266: buildEsp8266Image({ size: SIZE }), ESP32: buildEsp32Image({ size: SIZE }) };
    const measurements: Measurement[] = [];
    for (const [chip, image] of Object.entries(images)) {
      const file = path.join(folder, `${chip}.bin`);
      await writeFile(file, image);
      await using inspector = new Participant<typeof Package>('package');
      const { ours, md5, native, blocked } = await inspector.ask('inspect', { file, rounds: quick ? 3 : 15 });
      measurements.push(
        {
          what: `${chip}, against one MD5 of it as the package reckons it`,
          value: ratio(ours, md5),
          unit: 'x',
          limit: { atMost: 2 },
          note: `${ms(median(ours))} / ${ms(median(md5))}; by node:crypto ${ms(median(native))}`,
        },
        { what: `${chip}, event loop held at most`, value: blocked, unit: 'ms', limit: { atMost: 50 }, note: '' },
      );
    }
    return measurements;
  },
};
