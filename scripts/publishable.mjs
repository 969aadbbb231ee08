// Refuses to publish if package.json in the current folder has no repository or no bugs: the registry resolves the
// relative links and pictures of the README against the repository.
import { readFileSync } from 'node:fs';

const { repository, bugs } = JSON.parse(readFileSync('package.json', 'utf8'));
if (!repository || !bugs) {
  console.error('package.json has no repository or no bugs: see "Release" in CONTRIBUTING.md.');
  process.exitCode = 1;
}
