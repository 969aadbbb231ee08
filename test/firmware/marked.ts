/** Images with more than one name or version, of which the code uses some. */
import { layOutEsp32, layOutEsp8266, type Segment } from '../support/image-layout';
import { noise } from '../support/images';

const hex = (text: string): string => Buffer.from(text, 'hex').toString('latin1');

/** A name between its marks, as latin1. */
export const marked = (name: string): string => hex('bf84e41354') + name + hex('93446ba775');

const texts = ['my-light', 'second', 'template'].map((name) => Buffer.from(`${marked(name)}\0`, 'latin1'));
const versions = ['1.0.0', '2.0.0'].map((version) =>
  Buffer.from(`${hex('6a3f3e0ee1')}${version}${hex('b03048d41a')}\0`, 'latin1'),
);

/** Code that has the addresses of some of the texts as literals, and the texts. */
function segmentsUsing(code: number, data: number, used: readonly number[]): Segment[] {
  const all = [...texts, ...versions];
  const literals = Buffer.alloc(4 * used.length);
  for (const [place, index] of used.entries()) {
    const offset = all.slice(0, index).reduce((sum, { length }) => sum + length, 0);
    literals.writeUInt32LE(data + offset, 4 * place);
  }
  return [
    { address: code, data: Buffer.concat([noise(64, 1), literals, noise(400, 2)]) },
    { address: data, data: Buffer.concat(all) },
  ];
}

/** An image for the ESP8266 with the names my-light, second, template and the versions 1.0.0, 2.0.0; its code uses these. */
export function esp8266Using(...used: number[]): Buffer {
  return layOutEsp8266({
    flashMode: 2,
    flashSizeAndFrequency: 0x40,
    boot: { entry: 0x4010f000, segments: [{ address: 0x4010f000, data: noise(64, 3) }] },
    application: { entry: 0x40100000, segments: segmentsUsing(0x40201010, 0x3ffe8000, used) },
    crc: false,
  });
}

/** The same for the ESP32. */
export function esp32Using(...used: number[]): Buffer {
  return layOutEsp32({
    flashMode: 2,
    flashSizeAndFrequency: 0x20,
    entry: 0x400d0020,
    chipId: 0,
    segments: segmentsUsing(0x400d0020, 0x3f400020, used),
    sha256: true,
  });
}
