/** What SECURITY.md and docs/safety.md say about the sources themselves. */
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { root } from '../support/node-red';
import { read } from './markdown';

const { dependencies }: { dependencies: Record<string, string> } = JSON.parse(read('package.json'));

/** The text of each source file of the package. */
const sources = ['src', 'nodes', 'resources'].flatMap((folder) =>
  readdirSync(path.join(root, folder), { recursive: true })
    .map((file) => path.join(folder, String(file)))
    .filter((file) => /\.(ts|js|html)$/.test(file))
    .map((file) => [file, readFileSync(path.join(root, file), 'utf8')] as const),
);

describe('SECURITY.md and docs/safety.md', () => {
  it('name every dependency', () => {
    const [, names = ''] = / three packages at run time: (.+?)\. /.exec(read('SECURITY.md')) ?? [];
    assert.deepEqual(
      [...names.matchAll(/`([^`]+)`/g)].map(([, name]) => name),
      Object.keys(dependencies),
    );
  });

  it('are right that no source names the reset of a device', () => {
    assert.match(read('docs/safety.md'), /`\$implementation\/reset`, .* is never written to/);
    assert.ok(sources.length > 50);
    for (const [file, text] of sources) assert.doesNotMatch(text, /implementation\/reset|['"`/]reset['"`]/, file);
  });

  it('are right that whatever can change a device goes through the gate', () => {
    const publishers = sources.filter(([, text]) => /connection\.publish\(/.test(text)).map(([file]) => file);
    assert.deepEqual(publishers, ['src/homie/gate.ts']);
  });
});
