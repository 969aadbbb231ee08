/** How a firmware is named for a person. */
import type { FirmwareName } from './update';

/** What is known of a firmware. Its checksum is an MD5, by either name. */
interface Known {
  readonly name?: string | undefined;
  readonly version?: string | undefined;
  readonly checksum?: string | undefined;
  readonly md5?: string | undefined;
}

/** Returns how an image is named. */
export function imageName({
  name,
  version,
  md5: checksum,
  size,
}: Known & { readonly md5: string; readonly size: number }): FirmwareName {
  return { checksum, size, ...(name !== undefined && { name }), ...(version !== undefined && { version }) };
}

/** Returns the name and the version of a firmware, as far as they are known; empty if neither is. */
export function nameAndVersion({ name, version }: Known): string {
  return [name, version].filter(Boolean).join(' ');
}

/** Returns the version of a firmware, or its checksum if it has none; empty if neither is known. */
export function versionOrChecksum({ version, checksum, md5 = '' }: Known): string {
  return version ?? checksum ?? md5;
}
