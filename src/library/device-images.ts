/** The images that were proven on a device, and those that are held back from it. */
import type { Image } from '../ota/image';
import { isMd5 } from './stored-image';

/** Maximum number of images held back from a device; the oldest is forgotten first. */
const MAX_HELD = 20;

/** The images of a device, by MD5: plain data. */
export interface DeviceImages {
  /** The image that was proven last. */
  readonly now?: string;
  /** The checksum that the device reported at the proof, if it differs from `now`. */
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

/** The proof that a device runs an image. */
export interface Proof extends ProvenImage {
  /** Reads the image if it is not kept yet. */
  readonly load: () => Promise<Image>;
  /** Whether the device was rolled back to the image. */
  readonly isRollback: boolean;
}

/** Returns the images of a device after an image was proven on it. */
export function afterProof(images: DeviceImages, { md5, reported }: ProvenImage): DeviceImages {
  const own = reported === undefined || reported === md5 ? {} : { reported };
  const before = images.now === md5 ? images.before : images.now;
  return records({ now: md5, ...own, before, held: images.held?.filter((each) => each !== md5) });
}

/**
 * Returns the images of a device after it was rolled back to an image that was then proven. The image that it ran
 * before is held back.
 */
export function afterRollback(images: DeviceImages, proof: ProvenImage): DeviceImages {
  const left = [images.now, proof.from].flatMap((each) => each ?? []);
  const held = new Set([...(images.held ?? []), ...left]);
  held.delete(proof.md5);
  return records({ ...afterProof(images, proof), before: undefined, held: [...held].slice(-MAX_HELD) });
}

/** Returns the images of a device after the user allowed one that was held back. */
export function withoutHold({ held, ...images }: DeviceImages, md5: string): DeviceImages {
  return records({ ...images, held: held?.filter((each) => each !== md5) });
}

/** Returns the images of a device without one that is no longer kept. */
export function without(images: DeviceImages, md5: string): DeviceImages {
  const { now, before } = images;
  return records({ ...images, now: now === md5 ? undefined : now, before: before === md5 ? undefined : before });
}

/** Returns whether the checksum that a device reports is that of the image that was proven on it last. */
export function isAsProven({ now, reported }: DeviceImages, checksum: string | undefined): boolean {
  return checksum !== undefined && (checksum === now || checksum === reported);
}

/** Reads the images of a device from a stored value. Ignores what is not an MD5. */
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

/** Removes what is undefined or empty, and the reported checksum of an image that is not known. */
function records({ now, reported, before, held }: Records): DeviceImages {
  return {
    ...(now !== undefined && { now, ...(reported !== undefined && { reported }) }),
    ...(before !== undefined && { before }),
    ...(held !== undefined && held.length > 0 && { held }),
  };
}
