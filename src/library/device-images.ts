/** Which images were proven on a device, and which it must not get again. */
import { isMd5 } from './stored-image';

/** How many images are held back on a device; the oldest goes first. */
const MAX_HELD = 20;

/** The images of a device, by MD5: plain data. */
export interface DeviceImages {
  /** The image that was proven last. */
  readonly now?: string;
  /** The checksum that the device reported at the proof, where it is not that of the file. */
  readonly reported?: string;
  /** The image that was proven before that one. */
  readonly before?: string;
  /** Images that the device was rolled back from. */
  readonly held?: readonly string[];
}

/** An image that was proven on a device. */
export interface ProvenImage {
  readonly md5: string;
  /** The checksum that the device reports now. */
  readonly reported?: string;
  /** The checksum that the device reported before. */
  readonly from?: string;
}

/** Returns the images of a device after an image was proven on it. */
export function afterProof(images: DeviceImages, { md5, reported }: ProvenImage): DeviceImages {
  const own = reported === undefined || reported === md5 ? {} : { reported };
  const before = images.now === md5 ? images.before : images.now;
  return records({ now: md5, ...own, before, held: images.held?.filter((each) => each !== md5) });
}

/**
 * Returns the images of a device after an image was proven on it that the user went back to. What it ran until then is
 * held back.
 */
export function afterRollback(images: DeviceImages, { md5, reported, from }: ProvenImage): DeviceImages {
  const left = [images.now, from].flatMap((each) => (each === undefined ? [] : [each]));
  const held = new Set([...(images.held ?? []), ...left]);
  held.delete(md5);
  const { reported: own } = afterProof({}, { md5, ...(reported !== undefined && { reported }) });
  return records({ now: md5, reported: own, before: undefined, held: [...held].slice(-MAX_HELD) });
}

/** Returns the images of a device after the user allowed one of them again. */
export function withoutHold({ held, ...images }: DeviceImages, md5: string): DeviceImages {
  return records({ ...images, held: held?.filter((each) => each !== md5) });
}

/** Returns the images of a device without one that is not kept any more. */
export function without(images: DeviceImages, md5: string): DeviceImages {
  const { now, before } = images;
  return records({ ...images, now: now === md5 ? undefined : now, before: before === md5 ? undefined : before });
}

/** Whether a device runs the image that was proven on it last, by the checksum that it reports. */
export function isAsProven({ now, reported }: DeviceImages, checksum: string | undefined): boolean {
  return checksum !== undefined && (checksum === now || checksum === reported);
}

/** Reads the images of a device from what was written down; what is none is left out. */
export function readDeviceImages(value: unknown): DeviceImages {
  const { now, reported, before, held }: Partial<Record<keyof DeviceImages, unknown>> = Object(value);
  return records({
    now: isMd5(now) ? now : undefined,
    reported: isMd5(reported) ? reported : undefined,
    before: isMd5(before) ? before : undefined,
    held: Array.isArray(held) ? held.filter(isMd5) : undefined,
  });
}

type Records = { readonly [Key in keyof DeviceImages]: DeviceImages[Key] | undefined };

/** Leaves out what is undefined or empty, and what the device reported for an image that is not known. */
function records({ now, reported, before, held }: Records): DeviceImages {
  return {
    ...(now !== undefined && { now, ...(reported !== undefined && { reported }) }),
    ...(before !== undefined && { before }),
    ...(held !== undefined && held.length > 0 && { held }),
  };
}
