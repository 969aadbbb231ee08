/** What a node answers about the firmware on offer. */
import type { HomieBroker } from '../../src/homie/broker';
import type { Library, Offered } from '../../src/library/library';
import type { StoredImage } from '../../src/library/stored-image';
import { plainText } from '../../src/plain-text';
import { versionOrChecksum } from '../../src/update/firmware-name';
import { offeredFirmware, type OfferedFirmware } from '../shared/offered-firmware';

/** The answer to `offer` and `withdraw`. */
interface LibraryAnswer {
  /** Whether the image is on offer now. */
  readonly offered: boolean;
  readonly firmware: OfferedFirmware;
  readonly text: string;
}

/** Returns the answer to `offer`. */
export function offerAnswer(broker: HomieBroker, library: Library, { image, instead }: Offered): LibraryAnswer {
  const firmware = offeredFirmware(image);
  if (instead !== undefined) {
    const text = `${nameOf(instead)} stays on offer, because its version is higher than ${versionOf(image)}. Set options.replace to offer ${versionOf(image)} anyway.`;
    return { offered: false, firmware, text };
  }
  const { scope } = broker.locks;
  const devices = [...broker.registry.devices.values()].filter((device) => {
    const choice = library.offerFor(scope, device);
    return 'image' in choice && choice.image.md5 === image.md5;
  }).length;
  const text = `${nameOf(image)} is on offer for ${devices} known ${devices === 1 ? 'device' : 'devices'}.`;
  return { offered: true, firmware, text };
}

/** Returns the answer to `withdraw`. */
export function withdrawAnswer(image: StoredImage): LibraryAnswer {
  return { offered: false, firmware: offeredFirmware(image), text: `${nameOf(image)} is no longer on offer.` };
}

function nameOf(image: StoredImage): string {
  return `${plainText(image.name)} ${versionOf(image)}`;
}

function versionOf(image: StoredImage): string {
  return plainText(versionOrChecksum(image));
}
