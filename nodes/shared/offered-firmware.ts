import type { StoredImage } from '../../src/library/stored-image';

/** An image on offer, as plain data. Sizes in bytes. */
export interface OfferedFirmware {
  readonly name: string;
  readonly version?: string;
  readonly chip: string;
  readonly flashSize?: number;
  readonly size: number;
  /** MD5. */
  readonly checksum: string;
}

/** Returns the description of an image for messages and answers. */
export function offeredFirmware({ name, version, chip, flashSize, size, md5: checksum }: StoredImage): OfferedFirmware {
  return {
    name,
    ...(version !== undefined && { version }),
    chip,
    ...(flashSize !== undefined && { flashSize }),
    size,
    checksum,
  };
}
