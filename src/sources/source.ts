import type { HomieError } from '../errors';
import type { Firmware } from '../firmware/firmware';
import type { FirmwareInfo } from '../firmware/inspect';

/** An image that passed inspection, and where it was found. */
export interface Candidate {
  readonly info: FirmwareInfo;
  /** The name without folders and control characters, so that it cannot lead out of a folder. */
  readonly filename: string;
  /** Where the image was found, for display: without credentials. */
  readonly source: string;
  /** When the image was published, or when the file was last changed. */
  readonly publishedAt: Date | undefined;
  /** The release notes, as plain text with line breaks. */
  readonly notes?: string;
  /**
   * Returns the image. Images are not kept here, since 5,000 of them do not fit into memory.
   *
   * @throws {HomieError} FILE_REFUSED.changed: the image has changed since; also the errors of the source
   */
  readonly read: (signal: AbortSignal) => Promise<Firmware>;
}

/** A file that was refused, and why. */
export interface Refusal {
  readonly filename: string;
  readonly source: string;
  readonly error: HomieError;
}

/** What a source contains. */
export interface Findings {
  readonly candidates: readonly Candidate[];
  readonly refused: readonly Refusal[];
}

/** A place where images are searched for. Remembers what it has inspected, so that the next search is fast. */
export interface Source {
  /** The name for display, without credentials. */
  readonly shown: string;
  /**
   * Returns the images that are there now, and the files that were refused.
   *
   * @throws {HomieError} why the source could not be read at all; the reason of the signal
   */
  readonly search: (signal: AbortSignal) => Promise<Findings>;
}
