import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { cpSync, existsSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { withAbsoluteLinks } from '../../scripts/packed-readme';
import { linksIn, read } from '../docs/markdown';
import { root } from '../support/node-red';

const REPOSITORY = 'https://github.com/owner/name';
const FILES = `${REPOSITORY}/blob/v1.2.3/`;
const PICTURES = 'https://raw.githubusercontent.com/owner/name/v1.2.3/';

/** The links of a README as a page of the Flow Library has them: it leads relative ones to `master` of the repository. */
function shownLinks(readme: string): { readonly target: string; readonly isPicture: boolean }[] {
  return linksIn(readme).map(({ target, isPicture }) => {
    if (/^[a-z]+:/i.test(target)) return { target, isPicture };
    return { target: `${REPOSITORY}/${isPicture ? 'raw' : 'blob'}/master/${target}`, isPicture };
  });
}

describe('the README and the changelog of the package', () => {
  for (const [page, least] of [
    ['README.md', 20],
    ['CHANGELOG.md', 5],
  ] as const) {
    it(`have only links that the Flow Library leaves alone, to files of the version: ${page}`, () => {
      const links = shownLinks(withAbsoluteLinks(read(page), REPOSITORY, '1.2.3'));
      const own = links.filter(({ target }) => /owner\/name/.test(target));
      assert.ok(own.length > least);
      for (const { target, isPicture } of own) {
        const place = isPicture ? PICTURES : FILES;
        assert.ok(target.startsWith(place), target);
        const [file = ''] = target.slice(place.length).split('#');
        assert.ok(existsSync(path.join(root, decodeURI(file))), target);
      }
    });
  }

  it('keep the anchors of their links, and their links to other sites', () => {
    const readme = 'See [a](docs/a.md#b), ![c](docs/c.png), [d](#d), [e](https://example.org/e.md).';
    assert.equal(
      withAbsoluteLinks(readme, `git+${REPOSITORY}.git`, '1.2.3'),
      `See [a](${FILES}docs/a.md#b), ![c](${PICTURES}docs/c.png), [d](#d), [e](https://example.org/e.md).`,
    );
    assert.throws(() => withAbsoluteLinks(readme, 'https://example.org/name', '1.2.3'), /not at a known site/);
  });

  it('are in the place of the others only while the package is packed', () => {
    const folder = mkdtempSync(path.join(tmpdir(), 'packed-readme-'));
    try {
      cpSync(path.join(root, 'scripts/packed-readme.ts'), path.join(folder, 'packed-readme.ts'));
      symlinkSync(path.join(root, 'node_modules'), path.join(folder, 'node_modules'));
      const manifest = { version: '1.2.3', repository: { type: 'git', url: REPOSITORY } };
      writeFileSync(path.join(folder, 'package.json'), JSON.stringify(manifest));
      const pages = ['README.md', 'CHANGELOG.md'].map((page) => path.join(folder, page));
      for (const page of pages) writeFileSync(page, '[a](a.md)');
      const script = (...args: string[]): string[] => {
        const tsx = path.join(root, 'node_modules/.bin/tsx');
        const { stderr } = spawnSync(tsx, ['packed-readme.ts', ...args], { cwd: folder, encoding: 'utf8' });
        return stderr === '' ? pages.map((page) => readFileSync(page, 'utf8')) : [stderr];
      };
      assert.deepEqual(script(), [`[a](${FILES}a.md)`, `[a](${FILES}a.md)`]);
      assert.deepEqual(script('--restore'), ['[a](a.md)', '[a](a.md)']);
      assert.deepEqual(script('--restore'), ['[a](a.md)', '[a](a.md)']);
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  });
});
