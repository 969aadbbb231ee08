import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import path from 'node:path';
import semver from 'semver';
import { dialogHtml } from '../support/editor-files';
import { root } from '../support/node-red';

const read = (file: string) => JSON.parse(readFileSync(path.join(root, file), 'utf8'));
const manifest = read('package.json');

/** What the Flow Library reads. Other tests check the examples, the help and the files of the package. */
describe('the manifest of the package', () => {
  it('lists the package as one for Node-RED, with its license', () => {
    assert.ok(manifest.keywords.includes('node-red'));
    assert.equal(manifest.license, 'MIT');
    assert.ok(existsSync(path.join(root, 'LICENSE')));
  });

  it('accepts every Node-RED that it is tested with, and the Node.js releases that these run on', () => {
    for (const name of ['node-red', 'node-red-5']) {
      const { version } = read(`node_modules/${name}/package.json`);
      assert.ok(semver.satisfies(version, manifest['node-red'].version), version);
    }
    for (const node of ['20.19.0', '22.9.0', '24.0.0', '26.0.0'])
      assert.ok(semver.satisfies(node, manifest.engines.node), node);
  });

  // The Flow Library reads a definition only where it stands in the call.
  it('names nodes that each register their type once, with the definition as an inline object', () => {
    const types = Object.keys(manifest['node-red'].nodes);
    assert.ok(types.length > 0);
    for (const type of types) {
      const scripts = [...dialogHtml(type).matchAll(/<script type="text\/javascript">([\s\S]*?)<\/script>/g)];
      const calls = scripts.flatMap(([, code = '']) => [...code.matchAll(/registerType\(\s*'([\w-]+)',\s*\{/g)]);
      assert.deepEqual(
        calls.map(([, registered]) => registered),
        [type],
      );
    }
  });
});
