/** Which image a device gets if the message contains none. */
import { HomieError } from '../errors';
import type { Device } from '../homie/device';
import type { ErrorKey, Value, Values } from '../texts/text';
import { flash, isBuiltFor, imageText, type StoredImage } from './stored-image';

/** The source of an image that no message contains: the offers, or the image proven before the present one. */
export type ImageOrigin = 'offer' | 'previous';

/** Returns whether a stored value is an origin. */
export function isImageOrigin(value: unknown): value is ImageOrigin {
  return value === 'offer' || value === 'previous';
}

/**
 * The image for a device, or the reason for having none. The error is created when it is read: most are never shown.
 */
export type Choice = { readonly image: StoredImage } | { readonly error: HomieError };

/** What the library has of the images of a device. */
interface Known {
  /** The image that was last proven on it. */
  readonly last?: StoredImage | undefined;
  /** The image that it runs. */
  readonly now?: StoredImage | undefined;
}

/**
 * Returns what is on offer for a device: an image with its firmware name, for its chip, and for the flash size of the
 * image that it runs. If that image is not known, the one that was last proven on the device can only exclude an image.
 *
 * @param offers the images on offer for the devices of the broker
 * @returns NOTHING_ON_OFFER if no image fits, or there are several and the flash size of the device is unknown
 */
export function chooseOffer(device: Device, offers: readonly StoredImage[], { last, now }: Known = {}): Choice {
  const { id, fwName, implementation } = device;
  if (fwName === undefined) return noImage('NOTHING_ON_OFFER.unknown', { device: id });
  const values = { device: id, firmware: fwName.value };
  const sameName = offers.filter(({ name }) => name === fwName.value);
  if (sameName.length === 0) return noImage('NOTHING_ON_OFFER.firmware', values);
  const own = sameName.filter(({ family }) => implementation === undefined || family === implementation.value);
  if (own.length === 0) {
    const runs = implementation?.value ?? '';
    return noImage('NOTHING_ON_OFFER.chip', { ...values, runs, images: list(sameName) });
  }
  const like = [now, last].find((each) => each?.name === fwName.value);
  const fitting = like === undefined ? own : own.filter((each) => isBuiltFor(each, like));
  if (like !== undefined && fitting.length === 0) {
    return noImage('NOTHING_ON_OFFER.flashSize', { ...values, size: flash(like.flashSize), images: list(own) });
  }
  // An image of the past may exclude others, but it does not choose between them.
  const candidates = now === undefined ? own : fitting;
  const [image, ...others] = candidates;
  if (image !== undefined && others.length === 0) return { image };
  return noImage('NOTHING_ON_OFFER.several', { ...values, images: list(candidates) });
}

/** Returns the choice of no image, with its error. */
export function noImage(key: ErrorKey, values: Values): Choice {
  return {
    get error() {
      return new HomieError(key, values);
    },
  };
}

/** Returns images as a list, for a text. */
export function list(images: readonly StoredImage[]): Value {
  return images.map(imageText);
}
