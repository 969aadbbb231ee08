/** The images on offer, and which of two for the same devices is offered. */
import { HomieError } from '../errors';
import { compareVersions } from '../firmware/version';
import { setNewest } from '../set-newest';
import { versionOrChecksum } from '../update/firmware-name';
import { isForSame, isMd5, type StoredImage } from './stored-image';

/** Maximum number of images on offer; the oldest is withdrawn first. */
const MAX_OFFERS = 1000;

/** An image on offer for the devices of a broker and base topic: plain data. */
export interface Offer {
  /** What the ids of the devices are unique in: see `DeviceLocks`. */
  readonly scope: string;
  readonly md5: string;
  /** ISO 8601: when it was offered. */
  readonly at: string;
}

/**
 * Returns whether an image replaces the one on offer for the same devices: it does if its version is higher or equal.
 *
 * @throws {HomieError} VERSION_UNCLEAR if the versions cannot be compared
 */
export function replaces(image: StoredImage, present: StoredImage): boolean {
  const order = compareVersions(image.version, present.version);
  if (order !== undefined) return order >= 0;
  if (image.version === undefined && present.version === undefined) return true;
  const [version, offered] = [versionOrChecksum(image), versionOrChecksum(present)];
  throw new HomieError('VERSION_UNCLEAR.offer', { name: image.name, version, offered });
}

/** The offers of all brokers, from old to new. For the same devices there is at most one. */
export class Offers {
  readonly #offers = new Map<string, Offer>();
  readonly #images: (md5: string) => StoredImage | undefined;

  /** @param images returns the description of an image */
  constructor(images: (md5: string) => StoredImage | undefined) {
    this.#images = images;
  }

  clear(): void {
    this.#offers.clear();
  }

  all(): Offer[] {
    return [...this.#offers.values()];
  }

  of(scope: string): (Offer & { readonly image: StoredImage })[] {
    return this.all().flatMap((offer) => {
      const image = offer.scope === scope ? this.#images(offer.md5) : undefined;
      return image === undefined ? [] : [{ ...offer, image }];
    });
  }

  /** Returns the offer for the same devices. */
  like(scope: string, image: StoredImage): (Offer & { readonly image: StoredImage }) | undefined {
    return this.of(scope).find((offer) => isForSame(offer.image, image));
  }

  get(offer: Pick<Offer, 'scope' | 'md5'>): Offer | undefined {
    return this.#offers.get(offerKey(offer));
  }

  /** Adds an offer. @returns the offers that it removed: the one for the same devices, or the oldest of too many */
  set(offer: Offer, image: StoredImage): Offer[] {
    const before = this.like(offer.scope, image);
    if (before !== undefined) this.delete(before);
    const oldest = setNewest(this.#offers, offerKey(offer), offer, MAX_OFFERS)?.[1];
    return [before, oldest].flatMap((each) => (each === undefined || each.md5 === offer.md5 ? [] : [each]));
  }

  delete(offer: Pick<Offer, 'scope' | 'md5'>): boolean {
    return this.#offers.delete(offerKey(offer));
  }
}

/** Returns the key under which an offer is stored. */
export function offerKey({ scope, md5 }: Pick<Offer, 'scope' | 'md5'>): string {
  return `offer ${md5} ${scope}`;
}

/** Returns whether a stored value is an offer. A file may be damaged. */
export function isOffer(value: unknown): value is Offer {
  const { scope, md5, at }: Partial<Record<keyof Offer, unknown>> = Object(value);
  return typeof scope === 'string' && isMd5(md5) && typeof at === 'string' && !Number.isNaN(Date.parse(at));
}
