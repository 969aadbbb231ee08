/** Answers as in the documentation of the APIs, reduced to the relevant parts. */

interface AssetFacts {
  readonly name: string;
  readonly size: number;
  readonly page: string;
  /** Address at the API; GitHub only. */
  readonly url?: string;
  readonly id?: number;
  readonly state?: string;
}

interface ReleaseFacts {
  readonly tag: string;
  readonly published: string;
  readonly assets: readonly AssetFacts[];
  readonly notes?: string;
  readonly draft?: boolean;
  readonly prerelease?: boolean;
}

/** Returns a release as in an answer of GitHub (REST API, "List releases"). */
export function githubRelease({
  tag,
  published,
  assets,
  notes,
  draft = false,
  prerelease = false,
}: ReleaseFacts): object {
  return {
    url: 'https://api.github.com/repos/octocat/Hello-World/releases/1',
    html_url: `https://github.com/octocat/Hello-World/releases/${tag}`,
    id: 1,
    tag_name: tag,
    target_commitish: 'master',
    name: tag,
    body: notes ?? null,
    draft,
    prerelease,
    created_at: published,
    published_at: draft ? null : published,
    author: { login: 'octocat', id: 1, type: 'User' },
    assets: assets.map(({ name, size, page, url, id = 1, state = 'uploaded' }) => ({
      url: url ?? page,
      browser_download_url: page,
      id,
      name,
      label: null,
      state,
      content_type: 'application/octet-stream',
      size,
      download_count: 42,
      created_at: published,
      updated_at: published,
    })),
  };
}

/** Returns a release as in an answer of Gitea and Forgejo (their API, repoListReleases). */
export function giteaRelease({
  tag,
  published,
  assets,
  notes,
  draft = false,
  prerelease = false,
}: ReleaseFacts): object {
  return {
    id: 1,
    tag_name: tag,
    target_commitish: 'main',
    name: tag,
    body: notes ?? '',
    url: `https://git.example.com/api/v1/repos/owner/name/releases/1`,
    html_url: `https://git.example.com/owner/name/releases/tag/${tag}`,
    draft,
    prerelease,
    created_at: published,
    published_at: published,
    author: { id: 1, login: 'owner' },
    assets: assets.map(({ name, size, page, id = 1 }) => ({
      id,
      name,
      size,
      download_count: 0,
      created_at: published,
      uuid: `2a8c0a2c-0000-4000-8000-00000000000${id}`,
      browser_download_url: page,
    })),
  };
}
