import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { editorFiles } from '../support/editor-files';
import { root } from '../support/node-red';

interface Node {
  readonly id: string;
  readonly type: string;
  readonly z?: string;
  readonly wires?: readonly (readonly string[])[];
  readonly [property: string]: unknown;
}

/** Nodes of the core that an example may use. */
const core = new Set([
  'tab',
  'comment',
  'inject',
  'debug',
  'catch',
  'change',
  'switch',
  'file in',
  'http in',
  'http response',
  'mqtt out',
  'mqtt-broker',
]);
const own = new Map(
  ['homie-broker', 'homie-ota', 'homie-config', 'homie-devices'].map((type) => [type, editorFiles(type)]),
);

const files = readdirSync(path.join(root, 'examples')).filter((file) => file.endsWith('.json'));

for (const file of files) {
  describe(`the example ${path.basename(file, '.json')}`, () => {
    const nodes: Node[] = JSON.parse(readFileSync(path.join(root, 'examples', file), 'utf8'));

    it('has a tab of its name, and tells in a comment what to do', () => {
      assert.equal(nodes.find(({ type }) => type === 'tab')?.['label'], path.basename(file, '.json'));
      assert.match(String(nodes.find(({ type }) => type === 'comment')?.['name']), /\(read me\)$/);
      assert.match(String(nodes.find(({ type }) => type === 'comment')?.['info']), /^1\. .*\n2\. /);
    });

    it('is made of nodes of the core and of this package only', () => {
      for (const { type } of nodes) assert.ok(core.has(type) || own.has(type), type);
      assert.ok(nodes.some(({ type }) => own.has(type)));
    });

    it('is complete: whatever is referred to is there', () => {
      const ids = new Set(nodes.map(({ id }) => id));
      assert.equal(ids.size, nodes.length);
      for (const { wires = [], z, ...node } of nodes) {
        const scope: unknown = node['scope'];
        const referred = [...wires.flat(), ...(z === undefined ? [] : [z]), ...(Array.isArray(scope) ? scope : [])];
        for (const id of referred) assert.ok(ids.has(String(id)), `${node.type} ${String(id)}`);
      }
    });

    it('has all that can be set in its nodes, and what is set makes sense', () => {
      for (const node of nodes) {
        const defaults = own.get(node.type)?.defaults;
        if (defaults === undefined) continue;
        for (const [name, { validate }] of Object.entries(defaults)) {
          assert.ok(name in node, `${node.type} ${name}`);
          if (validate !== undefined) assert.equal(validate.call(node, node[name], {}), true, name);
        }
        const more = Object.keys(node).filter((name) => !(name in defaults));
        assert.deepEqual(new Set(more), new Set(['id', 'type', ...('x' in node ? ['z', 'x', 'y', 'wires'] : [])]));
      }
    });
  });
}

it('there is an example for each node of the palette', () => {
  const all = files.map((file) => readFileSync(path.join(root, 'examples', file), 'utf8')).join('\n');
  for (const type of own.keys()) assert.ok(all.includes(`"type": "${type}"`), type);
});
