import type { HomieError } from '../errors';
import type { Firmware } from '../firmware/firmware';
import type { FirmwareInfo } from '../firmware/inspect';

/** An image that passed the inspection, and where it is. */
export interface Candidate {
  readonly info: FirmwareInfo;
  /** Without folders and control characters: nothing that leads out of a folder. */
  readonly filename: string;
  /** Where it is, for people: without credentials. */
  readonly source: string;
  /** When it was published, or the file was changed last. */
  readonly publishedAt: Date | undefined;
  /** The notes of its release: plain text, with line ends. */
  readonly notes?: string;
  /**
   * Returns the image: 5,000 of them do not fit into memory.
   *
   * @throws {HomieError} FILE_REFUSED.changed where it is another one by now; those of the source
   */
  readonly read: (signal: AbortSignal) => Promise<Firmware>;
}

/** A file that was refused, and why. */
export interface Refusal {
  readonly filename: string;
  readonly source: string;
  readonly error: HomieError;
}

/** What a source has. */
export interface Findings {
  readonly candidates: readonly Candidate[];
  readonly refused: readonly Refusal[];
}

/** Where images are looked for. It remembers what it has inspected, so that the next look is quick. */
export interface Source {
  /** Its name for people: without credentials. */
  readonly shown: string;
  /**
   * Returns the images that are there now, and the files that were refused.
   *
   * @throws {HomieError} why the source could not be read at all; the reason of the signal
   */
  readonly look: (signal: AbortSignal) => Promise<Findings>;
}
