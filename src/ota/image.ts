import type { Firmware } from '../firmware/firmware';

/** The parts of a `Firmware` that an exchange needs. */
export type Image = Pick<Firmware, 'image' | 'info' | 'checksums'>;

/** What is known of an image without its bytes. */
export type ImageFacts = Omit<Image, 'image'>;
