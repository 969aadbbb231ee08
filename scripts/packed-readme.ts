/**
 * Makes the relative links and pictures of the README and the changelog absolute while the package is packed: on the pages
 * of the registry and of the Flow Library, and in the package, relative ones lead nowhere. `--restore` brings back the
 * files of the project.
 */
import { existsSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import hostedGitInfo from 'hosted-git-info';

const PAGES = ['README.md', 'CHANGELOG.md'];

/** Returns the name of a page of the project while the other one is in its place. */
function kept(page: string): string {
  return `${page}.kept`;
}

/**
 * Returns a page whose links lead to the files of a version, in the repository at a site such as GitHub. Links within
 * the page and absolute ones stay as they are.
 *
 * @param repository its address, in any form that npm accepts
 * @throws {Error} the site is not known
 */
export function withAbsoluteLinks(page: string, repository: string, version: string): string {
  const site = hostedGitInfo.fromUrl(repository);
  if (site === undefined) throw new Error(`The repository in package.json is not at a known site: ${repository}`);
  const at = { committish: `v${version}` };
  return page.replaceAll(/(!?)\[([^\]]*)\]\(([^)\s]+)\)/g, (link, mark: string, text: string, target: string) => {
    if (/^([a-z]+:|#)/i.test(target)) return link;
    const [file = '', anchor] = target.split('#');
    const url = mark === '!' ? site.file(file, at) : site.browseFile(file, at);
    return `${mark}[${text}](${url}${anchor === undefined ? '' : `#${anchor}`})`;
  });
}

if (require.main === module) {
  if (process.argv.includes('--restore')) {
    for (const page of PAGES) if (existsSync(kept(page))) renameSync(kept(page), page);
  } else {
    const { repository, version } = JSON.parse(readFileSync('package.json', 'utf8'));
    // Without a repository, the package is only for oneself: see publishable.mjs.
    if (repository !== undefined) {
      for (const page of PAGES) {
        const packed = withAbsoluteLinks(readFileSync(page, 'utf8'), repository.url ?? repository, version);
        renameSync(page, kept(page));
        writeFileSync(page, packed);
      }
    }
  }
}
