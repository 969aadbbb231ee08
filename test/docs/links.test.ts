import assert from 'node:assert/strict';
import { existsSync, statSync } from 'node:fs';
import path from 'node:path';
import { root } from '../support/node-red';
import { anchorsOf, linksOf, pages } from './markdown';

/** Where a link of a page leads in the project: the file, and the anchor in it. */
function destination(page: string, target: string): { file: string; anchor: string } {
  const [relative = '', anchor = ''] = target.split('#');
  const file = relative === '' ? page : path.posix.join(path.posix.dirname(page), decodeURI(relative));
  return { file, anchor };
}

/** Pages that need no link in the README: itself, and what the benchmark writes its results into. */
const known = ['README.md'];

const isForeign = (target: string): boolean => /^[a-z]+:/i.test(target);

describe('the links of the documentation', () => {
  for (const page of pages) {
    it(`lead to files and headings that are there (${page})`, () => {
      for (const { target } of linksOf(page)) {
        if (isForeign(target)) {
          assert.match(target, /^https:\/\//);
          continue;
        }
        assert.doesNotMatch(target, /^\//, 'a path from the root leads nowhere on a page of the project');
        const { file, anchor } = destination(page, target);
        assert.ok(existsSync(path.join(root, file)), `${page}: ${target}`);
        if (anchor !== '') assert.ok(anchorsOf(file).includes(anchor), `${page}: ${target}`);
      }
    });
  }

  it('lead from the README to every page', () => {
    const reached = new Set(linksOf('README.md').map(({ target }) => destination('README.md', target).file));
    for (const page of pages) assert.ok(known.includes(page) || reached.has(page), page);
  });

  it('say what a picture shows, and pictures are small', () => {
    const pictures = pages.flatMap((page) =>
      linksOf(page)
        .filter(({ isPicture }) => isPicture)
        .map(({ text, target }) => ({ text, file: destination(page, target).file })),
    );
    assert.ok(pictures.length > 3);
    for (const { text, file } of pictures) assert.ok(text.length > 10, file);
    const files = new Set(pictures.map(({ file }) => file));
    const bytes = [...files].reduce((sum, file) => sum + statSync(path.join(root, file)).size, 0);
    assert.ok(bytes < 1_500_000, `${bytes} bytes`);
  });

  it('have no two headings of one page with the same anchor', () => {
    for (const page of pages) {
      if (page === 'CHANGELOG.md') continue;
      const anchors = anchorsOf(page);
      assert.deepEqual(anchors, [...new Set(anchors)], page);
    }
  });
});
