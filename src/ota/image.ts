import type { Firmware } from '../firmware/firmware';

/** What an exchange needs of a firmware. */
export type Image = Pick<Firmware, 'image' | 'info' | 'alternativeChecksums'>;
