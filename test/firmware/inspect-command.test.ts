import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { FIXTURES } from './fixture';

const root = join(__dirname, '../..');

function run(...files: string[]): { status: number | null; output: string } {
  const tsx = require.resolve('tsx/cli');
  const { status, stdout } = spawnSync(process.execPath, [tsx, 'scripts/inspect.ts', ...files], {
    cwd: root,
    encoding: 'utf8',
  });
  return { status, output: stdout };
}

describe('npm run inspect', () => {
  it('prints what a firmware is', () => {
    const { status, output } = run(join(FIXTURES, 'my-light-1.1.0.bin'));
    assert.equal(status, 0);
    for (const row of [
      /chip +esp8266/,
      /size +352544 bytes/,
      /md5 +[0-9a-f]{32}/,
      /name +my-light/,
      /version +1\.1\.0/,
    ]) {
      assert.match(output, row);
    }
  });

  it('goes on after a refused file, tells why it was refused, and ends with 1', () => {
    const directory = mkdtempSync(join(tmpdir(), 'inspect-'));
    try {
      const page = join(directory, 'page.bin');
      writeFileSync(page, '<html></html>');
      const { status, output } = run(page, join(directory, 'missing.bin'), join(FIXTURES, 'my-light-1.0.0.bin'));
      assert.equal(status, 1);
      assert.match(output, /refused +FIRMWARE_IS_HTML/);
      assert.match(output, /hint +\S/);
      assert.match(output, /unreadable +ENOENT/);
      assert.match(output, /version +1\.0\.0/);
    } finally {
      rmSync(directory, { recursive: true });
    }
  });

  it('tells how it is used when no file is named', () => {
    const { status, output } = run();
    assert.equal(status, 1);
    assert.match(output, /npm run inspect -- FILE/);
  });
});
