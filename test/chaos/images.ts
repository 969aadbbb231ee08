import { buildEsp32Image, buildEsp8266Image } from '../support/images';
import { md5 } from '../support/md5';

export type Family = 'esp8266' | 'esp32';

/**
 * `previous` ran before, `running` is the initial image, we send `next` and `newest`, another updater sends `other`,
 * and nobody sends `strange`.
 */
const roles = ['previous', 'running', 'next', 'newest', 'other', 'strange'] as const;
type Role = (typeof roles)[number];

/** Bytes. Images of this size say which firmware they hold, so that updates lead from the original to the fork and back. */
export const MIXED = 48_000;

const dialects = { previous: '3', running: '3', next: '4', newest: '3.7', other: '3', strange: '4' } as const;

const built = new Map<string, Buffer>();
const meanings = new Map<string, readonly string[]>();

/** Returns the image of a role and family, which is always the same. @param size bytes; later roles are longer */
export function image(role: Role, family: Family, size: number): Buffer {
  const name = `${role} ${family} ${size}`;
  const known = built.get(name);
  if (known !== undefined) return known;
  const index = roles.indexOf(role);
  const build = family === 'esp32' ? buildEsp32Image : buildEsp8266Image;
  const bytes = build({
    name: `chaos-${family}`,
    version: `1.${index}.0`,
    size: size + index * 1600,
    seed: index + 1,
    ...(size === MIXED && { dialect: dialects[role] }),
  });
  built.set(name, bytes);
  meanings.set(md5(bytes), checksums(bytes));
  return bytes;
}

/** Returns whether this is the MD5 of an image for a family. */
export function isOfFamily(checksum: string, family: Family, size: number): boolean {
  return roles.some((role) => md5(image(role, family, size)) === checksum);
}

/** Returns the checksums that a device may report when it runs the image with this MD5. */
export function meaningOf(checksum: string): readonly string[] {
  return meanings.get(checksum) ?? [checksum];
}

/** Returns the MD5s of an image with each flash mode (byte 2): a device keeps its own, which is 0xFF if unknown. */
function checksums(bytes: Buffer): string[] {
  const all = [0, 1, 2, 3, 0xff].map((mode) => {
    const copy = Buffer.from(bytes);
    copy[2] = mode;
    return md5(copy);
  });
  return [...new Set([md5(bytes), ...all])];
}
