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

describe('the README of the package', () => {
  const packed = withAbsoluteLinks(read('README.md'), REPOSITORY, '1.2.3');

  it('has only links that the Flow Library leaves alone, to files of the version', () => {
    const links = shownLinks(packed);
    const own = links.filter(({ target }) => /owner\/name/.test(target));
    assert.ok(own.length > 20);
    for (const { target, isPicture } of own) {
      const place = isPicture ? PICTURES : FILES;
      assert.ok(target.startsWith(place), target);
      const [file = ''] = target.slice(place.length).split('#');
      assert.ok(existsSync(path.join(root, decodeURI(file))), target);
    }
  });

  it('keeps the anchors of its links, and its links to other sites', () => {
    const readme = 'See [a](docs/a.md#b), ![c](docs/c.png), [d](#d), [e](https://example.org/e.md).';
    assert.equal(
      withAbsoluteLinks(readme, `git+${REPOSITORY}.git`, '1.2.3'),
      `See [a](${FILES}docs/a.md#b), ![c](${PICTURES}docs/c.png), [d](#d), [e](https://example.org/e.md).`,
    );
    assert.throws(() => withAbsoluteLinks(readme, 'https://example.org/name', '1.2.3'), /not at a known site/);
  });

  it('is in the place of the other one only while the package is packed', () => {
    const folder = mkdtempSync(path.join(tmpdir(), 'packed-readme-'));
    try {
      cpSync(path.join(root, 'scripts/packed-readme.ts'), path.join(folder, 'packed-readme.ts'));
      symlinkSync(path.join(root, 'node_modules'), path.join(folder, 'node_modules'));
      const manifest = { version: '1.2.3', repository: { type: 'git', url: REPOSITORY } };
      writeFileSync(path.join(folder, 'package.json'), JSON.stringify(manifest));
      writeFileSync(path.join(folder, 'README.md'), '[a](a.md)');
      const script = (...args: string[]): string => {
        const tsx = path.join(root, 'node_modules/.bin/tsx');
        const { stderr } = spawnSync(tsx, ['packed-readme.ts', ...args], { cwd: folder, encoding: 'utf8' });
        return stderr || readFileSync(path.join(folder, 'README.md'), 'utf8');
      };
      assert.equal(script(), `[a](${FILES}a.md)`);
      assert.equal(script('--restore'), '[a](a.md)');
      assert.equal(script('--restore'), '[a](a.md)');
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  });
});
