import { HomieError } from '../errors';
import { MAX_IMAGE } from '../firmware/format';
import { plainText } from '../plain-text';
import { download, requireAsSafe, type Credentials, type Validators } from './download';
import { fitsPatterns, safeFilename } from './filename';
import { InspectedImages } from './images';
import { readReleases, type Asset, type Release } from './release-list';
import type { Candidate, Findings, Refusal, Source } from './source';

export interface ReleasesOptions {
  /** For example `https://api.github.com` or `https://git.example.com/api/v1`. */
  readonly api: URL;
  /** The address of the API for display. */
  readonly shownApi: string;
  /** `owner/name`. */
  readonly repository: string;
  /** The repository for display. */
  readonly shown: string;
  readonly patterns: readonly string[];
  readonly prereleases: boolean;
  /** Maximum number of releases to search, counting only those with a matching file. */
  readonly count: number;
  readonly credentials?: Credentials | undefined;
}

const LIMITS = { listed: 50, list: 4 * 1024 * 1024, assets: 100 } as const;

/** The last list of releases. */
interface Listed {
  readonly releases: readonly Release[];
  readonly validators: Validators;
}

/** Images that are attached to the releases of a repository at GitHub, Gitea or Forgejo. */
export class ReleasesSource implements Source {
  readonly shown: string;
  readonly #options: ReleasesOptions;
  readonly #images = new InspectedImages();
  #listed: Listed | undefined;

  constructor(options: ReleasesOptions) {
    this.#options = options;
    this.shown = plainText(options.shown);
  }

  /** @throws {HomieError} those of `download`, SOURCE_ANSWER.notReleases, SOURCE_TOO_LARGE */
  async search(signal: AbortSignal): Promise<Findings> {
    this.#listed = await this.#list(signal);
    const { patterns, prereleases, count } = this.#options;
    const fitting = this.#listed.releases
      .filter(({ prerelease }) => prereleases || !prerelease)
      .map((release) => ({
        release,
        assets: release.assets.filter(({ name }) => fitsPatterns(safeFilename(name), patterns)),
      }))
      .filter(({ assets }) => assets.length > 0)
      .slice(0, count)
      .flatMap(({ release, assets }) => assets.map((asset) => ({ release, asset })));
    if (fitting.length > LIMITS.assets) throw new HomieError('SOURCE_TOO_LARGE.assets', { most: LIMITS.assets });
    const candidates: Candidate[] = [];
    const refused: Refusal[] = [];
    for (const { release, asset } of fitting) {
      const found = await this.#inspect(release, asset, signal);
      if ('error' in found) refused.push(found);
      else candidates.push(found);
    }
    this.#images.retain(new Set(fitting.map(({ asset }) => keyOf(asset))));
    return { candidates, refused };
  }

  async #list(signal: AbortSignal): Promise<Listed> {
    const { api, shownApi, repository, credentials } = this.#options;
    const address = new URL(api);
    address.pathname = `${api.pathname.replace(/\/$/, '')}/repos/${repository}/releases`;
    // GitHub uses per_page, Gitea and Forgejo use limit.
    address.search = `?per_page=${LIMITS.listed}&limit=${LIMITS.listed}`;
    const answer = await download(address, {
      shown: shownApi,
      accept: 'application/json',
      credentials,
      known: this.#listed?.validators,
      limit: LIMITS.list,
      signal,
    });
    if (!answer.isKnown) return { releases: readReleases(answer.body, shownApi), validators: answer.validators };
    if (this.#listed === undefined) throw new HomieError('SOURCE_ANSWER.code', { host: shownApi, status: 304 });
    return this.#listed;
  }

  async #inspect(release: Release, asset: Asset, signal: AbortSignal): Promise<Candidate | Refusal> {
    const key = keyOf(asset);
    const place = { filename: safeFilename(asset.name), source: `${this.shown} ${release.tag}` };
    try {
      const known = this.#images.get(key) ?? (await this.#images.inspect(key, await this.#download(asset, signal)));
      if ('error' in known) return { ...place, error: known.error };
      const { info } = known;
      return {
        info,
        ...place,
        publishedAt: release.publishedAt,
        ...(release.notes !== '' && { notes: release.notes }),
        read: (until) => this.#images.image(key, info.md5, () => this.#download(asset, until)),
      };
    } catch (error) {
      signal.throwIfAborted();
      if (error instanceof HomieError) return { ...place, error };
      throw error;
    }
  }

  async #download({ url: page, apiUrl, size }: Asset, signal: AbortSignal): Promise<Buffer> {
    const { api, shownApi: host, credentials } = this.#options;
    // Without a token, the API allows few requests per hour, so the public address is preferred.
    const url = credentials === undefined ? page || apiUrl : apiUrl || page;
    if (size !== undefined && size > MAX_IMAGE) throw new HomieError('FIRMWARE_TOO_LARGE');
    if (!URL.canParse(url)) throw new HomieError('SOURCE_REDIRECT.address', { host });
    const address = new URL(url);
    requireAsSafe(address, api, host);
    address.username = '';
    address.password = '';
    // At the address of its API, GitHub returns the file itself only if the request accepts bytes.
    const accept = 'application/octet-stream';
    const answer = await download(address, { shown: host, accept, credentials, signal });
    if (answer.isKnown) throw new HomieError('SOURCE_ANSWER.code', { host, status: 304 });
    const { length } = answer.body;
    if (size !== undefined && size !== length) {
      throw new HomieError('DOWNLOAD_TRUNCATED.length', { host, length, expected: size });
    }
    return answer.body;
  }
}

function keyOf({ url, changed }: Asset): string {
  return `${url} ${changed}`;
}
