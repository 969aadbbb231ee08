// Refuses to publish if package.json in the current folder has no bugs, or no repository at a site to which the links of
// the README can lead.
import { readFileSync } from 'node:fs';
import hostedGitInfo from 'hosted-git-info';

const { repository, bugs } = JSON.parse(readFileSync('package.json', 'utf8'));
if (!bugs || !hostedGitInfo.fromUrl(repository?.url ?? repository ?? '')) {
  console.error('package.json has no bugs, or no repository at a known site: see "Release" in CONTRIBUTING.md.');
  process.exitCode = 1;
}
