import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { root } from '../support/node-red';

describe('the package', () => {
  let folder: string;

  before(() => {
    folder = mkdtempSync(path.join(tmpdir(), 'publishable-'));
  });
  after(() => rmSync(folder, { recursive: true, force: true }));

  const publishable = (manifest: object): number | null => {
    writeFileSync(path.join(folder, 'package.json'), JSON.stringify(manifest));
    return spawnSync(process.execPath, [path.join(root, 'scripts/publishable.mjs')], { cwd: folder }).status;
  };

  it('is published only with a repository, to which the links of the README then lead', () => {
    const url = 'https://github.com/owner/name';
    const bugs = `${url}/issues`;
    for (const repository of [url, { type: 'git', url: `git+${url}.git` }])
      assert.equal(publishable({ name: 'a', repository, bugs }), 0);
    assert.equal(publishable({ name: 'a', repository: url }), 1);
    assert.equal(publishable({ name: 'a', bugs }), 1);
    assert.equal(publishable({ name: 'a', repository: 'https://example.org/name', bugs }), 1);
    const { scripts }: { scripts: Record<string, string> } = JSON.parse(
      readFileSync(path.join(root, 'package.json'), 'utf8'),
    );
    assert.equal(scripts['prepublishOnly'], 'node scripts/publishable.mjs');
    assert.deepEqual(
      [scripts['prepack'], scripts['postpack']],
      ['tsx scripts/packed-readme.ts', 'tsx scripts/packed-readme.ts --restore'],
    );
  });
});
