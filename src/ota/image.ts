import type { Firmware } from '../firmware/firmware';

/** What an exchange needs of a firmware. */
export type Image = Pick<Firmware, 'image' | 'info' | 'alternativeChecksums'>;

/** What is known of a firmware without its bytes. */
export type ImageFacts = Omit<Image, 'image'>;
