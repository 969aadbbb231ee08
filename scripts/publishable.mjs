// Refuses to publish while package.json in the present folder names no repository: the registry makes the relative links
// and pictures of the README lead there, and without it they lead nowhere.
import { readFileSync } from 'node:fs';

const { repository, bugs } = JSON.parse(readFileSync('package.json', 'utf8'));
if (!repository || !bugs) {
  console.error('package.json has no repository or no bugs: see "Release" in CONTRIBUTING.md.');
  process.exitCode = 1;
}
