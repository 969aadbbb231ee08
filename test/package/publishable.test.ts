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
    const url = 'https://example.org/homie-ota';
    assert.equal(publishable({ name: 'a', repository: url, bugs: `${url}/issues` }), 0);
    assert.equal(publishable({ name: 'a', repository: url }), 1);
    assert.equal(publishable({ name: 'a', bugs: `${url}/issues` }), 1);
    const { scripts }: { scripts: Record<string, string> } = JSON.parse(
      readFileSync(path.join(root, 'package.json'), 'utf8'),
    );
    assert.equal(scripts['prepublishOnly'], 'node scripts/publishable.mjs');
  });
});
