/**
 * Makes the relative links and pictures of the README absolute while the package is packed: on the pages of the registry
 * and of the Flow Library, relative ones lead nowhere. `--restore` brings back the README of the project.
 */
import { existsSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import hostedGitInfo from 'hosted-git-info';

/** The README of the project while the other one is in its place. */
const KEPT = 'README.md.kept';

/**
 * Returns a README whose links lead to the files of a version, in the repository at a site such as GitHub. Links within
 * the page and absolute ones stay as they are.
 *
 * @param repository its address, in any form that npm accepts
 * @throws {Error} the site is not known
 */
export function withAbsoluteLinks(readme: string, repository: string, version: string): string {
  const site = hostedGitInfo.fromUrl(repository);
  if (site === undefined) throw new Error(`The repository in package.json is not at a known site: ${repository}`);
  const at = { committish: `v${version}` };
  return readme.replaceAll(/(!?)\[([^\]]*)\]\(([^)\s]+)\)/g, (link, mark: string, text: string, target: string) => {
    if (/^([a-z]+:|#)/i.test(target)) return link;
    const [file = '', anchor] = target.split('#');
    const url = mark === '!' ? site.file(file, at) : site.browseFile(file, at);
    return `${mark}[${text}](${url}${anchor === undefined ? '' : `#${anchor}`})`;
  });
}

if (require.main === module) {
  if (process.argv.includes('--restore')) {
    if (existsSync(KEPT)) renameSync(KEPT, 'README.md');
  } else {
    const { repository, version } = JSON.parse(readFileSync('package.json', 'utf8'));
    // Without a repository, the package is only for oneself: see publishable.mjs.
    if (repository !== undefined) {
      const packed = withAbsoluteLinks(readFileSync('README.md', 'utf8'), repository.url ?? repository, version);
      renameSync('README.md', KEPT);
      writeFileSync('README.md', packed);
    }
  }
}
