import { HomieError } from '../errors';
import { Firmware } from '../firmware/firmware';
import { download, type Credentials, type Validators } from './download';
import { safeFilename } from './filename';
import type { Findings, Source } from './source';

export interface UrlOptions {
  readonly url: URL;
  /** The address for display. */
  readonly shown: string;
  readonly credentials?: Credentials | undefined;
}

/** The image that was downloaded last. */
interface Last {
  readonly firmware: Firmware;
  readonly validators: Validators;
}

/** One image at an address. Downloads it again only if the server says that it has changed. */
export class UrlSource implements Source {
  readonly shown: string;
  readonly #options: UrlOptions;
  #last: Last | undefined;

  constructor(options: UrlOptions) {
    this.#options = options;
    this.shown = options.shown;
  }

  /** @throws {HomieError} also if the file is not an image, since nothing else is at the address */
  async search(signal: AbortSignal): Promise<Findings> {
    const { firmware, validators } = await this.#download(signal);
    this.#last = { firmware, validators };
    const { lastModified } = validators;
    const time = lastModified === null ? Number.NaN : Date.parse(lastModified);
    const candidate = {
      info: firmware.info,
      filename: filenameOf(this.#options.url),
      source: this.shown,
      publishedAt: Number.isNaN(time) ? undefined : new Date(time),
      read: async () => firmware,
    };
    return { candidates: [candidate], refused: [] };
  }

  async #download(signal: AbortSignal): Promise<Last> {
    const { url, shown, credentials } = this.#options;
    const last = this.#last;
    const answer = await download(url, {
      shown,
      accept: 'application/octet-stream, */*;q=0.5',
      credentials,
      known: last?.validators,
      signal,
    });
    if (answer.isKnown) {
      if (last === undefined) throw new HomieError('SOURCE_ANSWER.code', { host: shown, status: 304 });
      return last;
    }
    return { firmware: await Firmware.from(answer.body), validators: answer.validators };
  }
}

function filenameOf({ pathname }: URL): string {
  try {
    return safeFilename(decodeURIComponent(pathname));
  } catch {
    return safeFilename(pathname);
  }
}
