/** Which image a device gets without somebody who brings one. */
import { HomieError } from '../errors';
import type { Device } from '../homie/device';
import type { Value } from '../texts/text';
import { flash, isBuiltFor, named, type StoredImage } from './stored-image';

/** The image for a device, or why there is none. */
export type Choice = { readonly image: StoredImage } | { readonly error: HomieError };

/**
 * Returns what is on offer for a device: an image of its firmware name and chip, and of the flash size of the image that
 * was last proven on it.
 *
 * @param offers the images on offer for the devices of the broker
 * @param proven the image that was last proven on the device
 * @returns NOTHING_ON_OFFER where there is none, or several and the flash size of the device is unknown
 */
export function chooseOffer(device: Device, offers: readonly StoredImage[], proven?: StoredImage): Choice {
  const { id, fwName, implementation } = device;
  if (fwName === undefined) return { error: new HomieError('NOTHING_ON_OFFER.unknown', { device: id }) };
  const values = { device: id, firmware: fwName.value };
  const sameName = offers.filter(({ name }) => name === fwName.value);
  if (sameName.length === 0) return { error: new HomieError('NOTHING_ON_OFFER.firmware', values) };
  const own = sameName.filter(({ family }) => implementation === undefined || family === implementation.value);
  if (own.length === 0) {
    const runs = implementation?.value ?? '';
    return { error: new HomieError('NOTHING_ON_OFFER.chip', { ...values, runs, images: list(sameName) }) };
  }
  const last = proven?.name === fwName.value ? proven : undefined;
  const fitting = last === undefined ? own : own.filter((each) => isBuiltFor(each, last));
  const [image, ...others] = fitting;
  if (image !== undefined && others.length === 0) return { image };
  if (last !== undefined && image === undefined) {
    const size = flash(last.flashSize);
    return { error: new HomieError('NOTHING_ON_OFFER.flashSize', { ...values, size, images: list(own) }) };
  }
  return { error: new HomieError('NOTHING_ON_OFFER.several', { ...values, images: list(fitting) }) };
}

/** Returns images as a list, to be put into a text. */
export function list(images: readonly StoredImage[]): Value {
  return images.map(named);
}
