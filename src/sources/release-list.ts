import { HomieError } from '../errors';
import { plainText } from '../plain-text';

/** A file of a release. */
export interface Asset {
  readonly name: string;
  /** Size in bytes; undefined if the server does not say. */
  readonly size: number | undefined;
  /** A key that changes when the file is replaced. */
  readonly changed: string;
  /** The public address of the file. */
  readonly url: string;
  /**
   * The address at which GitHub serves the file to the owner of a token, even from a private repository. Gitea and
   * Forgejo have no such address.
   */
  readonly apiUrl: string;
}

export interface Release {
  readonly tag: string;
  readonly notes: string;
  readonly prerelease: boolean;
  readonly publishedAt: Date | undefined;
  readonly assets: readonly Asset[];
}

const LIMITS = { notes: 4000, lines: 200, tag: 80 } as const;

/**
 * Reads a list of releases from GitHub (REST API, "List releases"), or from Gitea or Forgejo (their API,
 * repoListReleases). Omits drafts, and files that GitHub is still receiving.
 *
 * @returns the releases, latest first
 * @throws {HomieError} SOURCE_ANSWER.notReleases: the body is not a list
 */
export function readReleases(body: Buffer, host: string): Release[] {
  const list = parse(body);
  if (!Array.isArray(list)) throw new HomieError('SOURCE_ANSWER.notReleases', { host });
  const releases = list.filter(isObject).filter(({ draft }) => draft !== true);
  return releases.map(readRelease).sort((a, b) => timeOf(b) - timeOf(a));
}

type Json = Readonly<Record<string, unknown>>;

function isObject(value: unknown): value is Json {
  return typeof value === 'object' && value !== null;
}

function parse(body: Buffer): unknown {
  try {
    return JSON.parse(body.toString('utf8'));
  } catch {
    return undefined;
  }
}

function timeOf({ publishedAt }: Release): number {
  return publishedAt?.getTime() ?? 0;
}

function readRelease({ tag_name: tag, body, prerelease, published_at: published, assets }: Json): Release {
  const time = Date.parse(text(published));
  return {
    tag: plainText(text(tag), LIMITS.tag),
    notes: plainNotes(text(body)),
    prerelease: prerelease === true,
    publishedAt: Number.isNaN(time) ? undefined : new Date(time),
    assets: (Array.isArray(assets) ? assets : []).filter(isObject).flatMap(readAsset),
  };
}

function readAsset(asset: Json): Asset[] {
  const { name, size, state, id, url, browser_download_url: page } = asset;
  if ((state !== undefined && state !== 'uploaded') || text(name) === '') return [];
  const changed = [id, asset['uuid'], asset['updated_at'], asset['created_at'], size].map(String).join(' ');
  const bytes = typeof size === 'number' ? size : undefined;
  return [{ name: text(name), size: bytes, changed, url: text(page), apiUrl: text(url) }];
}

function text(value: unknown): string {
  return typeof value === 'string' ? value : '';
}

/**
 * Returns release notes as plain text of several lines. They come from a server, and may be Markdown or anything else.
 */
function plainNotes(notes: string): string {
  const lines = notes
    .slice(0, LIMITS.notes)
    .split(/\r\n|\r|\n/)
    .slice(0, LIMITS.lines);
  return lines
    .map((line) => plainText(line))
    .join('\n')
    .trim();
}
