import assert from 'node:assert/strict';
import { editorFiles } from '../support/editor-files';
import type { FlowNode } from 'node-red-node-test-helper';
import { examples, nameOf, readExample } from './example-files';

/** Nodes of the core that an example may use. */
const core = new Set([
  'tab',
  'group',
  'comment',
  'inject',
  'debug',
  'catch',
  'complete',
  'status',
  'link in',
  'link out',
  'change',
  'switch',
  'function',
  'join',
  'rbe',
  'json',
  'file',
  'file in',
  'http in',
  'http response',
  'mqtt-broker',
  'mqtt in',
  'mqtt out',
  'trigger',
]);
const own = new Map(
  ['homie-broker', 'homie-ota', 'homie-config', 'homie-devices', 'homie-firmware'].map((type) => [
    type,
    editorFiles(type),
  ]),
);
const dashboard = '4 - Dashboard';
/** Width of the workspace that the panels of Node-RED 5 leave free, in a window of 1400 pixels. */
const VISIBLE = 880;
/** Distance of the lines of the editor's grid. */
const GRID = 20;

describe('the examples', () => {
  it('are nine stories in their order, and then one for each thing to try', () => {
    assert.deepEqual(examples, [
      '1 - Update one device',
      '2 - Nightly update of all devices',
      '3 - Update when a build server says so',
      '4 - Dashboard',
      '5 - Move all devices to another Wi-Fi network',
      '6 - Back up and restore configurations',
      '7 - Update devices that sleep',
      '8 - Handle errors',
      '9 - Enable OTA, update, disable it again',
      'Change a configuration',
      'Find firmware',
      'Firmware from GitHub releases',
      'Health check after the canary',
      'Home Assistant update entities',
      'List devices',
      'Steer a rollout',
    ]);
  });

  it('use each node of the palette', () => {
    const types = new Set(examples.flatMap(readExample).map(({ type }) => type));
    for (const type of own.keys()) assert.ok(types.has(type), type);
  });

  it('can be imported side by side: no id is in two of them, and no address', () => {
    const nodes = examples.flatMap(readExample).filter(({ type }) => type !== 'homie-broker');
    assert.equal(new Set(nodes.map(({ id }) => id)).size, nodes.length);
    const requests = nodes.filter(({ type }) => type === 'http in');
    const addresses = requests.map((node) => `${String(node['method'])} ${String(node['url'])}`);
    assert.equal(new Set(addresses).size, addresses.length);
  });

  it('all have the same homie-broker', () => {
    const [first, ...more] = examples.flatMap(readExample).filter(({ type }) => type === 'homie-broker');
    // One needs no broker.
    assert.equal(more.length, examples.length - 2);
    for (const each of more) assert.deepEqual(each, first);
  });
});

for (const name of examples) {
  describe(`the example ${name}`, () => {
    const nodes = readExample(name);
    const placed = nodes.filter((node) => 'x' in node && node.type !== 'group');

    it('has a tab of its name, and tells in a comment what to do', () => {
      assert.equal(nodes.find(({ type }) => type === 'tab')?.['label'], name);
      const comments = nodes.filter(({ type }) => type === 'comment');
      assert.equal(comments.length, 1);
      assert.match(String(comments[0]?.['name']), /\(read me\)$/);
      assert.match(String(comments[0]?.['info']), /^1\. [^]*\n2\. /);
    });

    it('is made of nodes of the core and of this package only, but for those of the dashboard', () => {
      for (const { type } of nodes) {
        assert.ok(core.has(type) || own.has(type) || (name === dashboard && type.startsWith('ui-')), type);
      }
      assert.ok(nodes.some(({ type }) => own.has(type)));
    });

    it('is complete: whatever is referred to is there', () => {
      const ids = new Set(nodes.map(({ id }) => id));
      for (const node of nodes) {
        const wires: string[][] = Array.isArray(node['wires']) ? node['wires'] : [];
        const single = ['z', 'g', 'group', 'page', 'ui', 'theme'].map((property) => node[property]);
        const several = ['scope', 'links', 'nodes'].map((property) => node[property]);
        if (own.has(node.type)) single.push(node['broker']);
        const referred = [...wires.flat(), ...single, ...several.flat()].filter((id) => id !== undefined && id !== '');
        for (const id of referred) assert.ok(ids.has(String(id)), `${node.type} ${String(id)}`);
      }
    });

    it('has all its nodes in groups, and shows no secret', () => {
      const groups = nodes.filter(({ type }) => type === 'group');
      const grouped = groups.flatMap((group): unknown[] => (Array.isArray(group['nodes']) ? group['nodes'] : []));
      const all = placed.filter(({ type }) => type !== 'comment').map(({ id }) => id);
      assert.equal(grouped.length, all.length);
      assert.deepEqual(new Set(grouped), new Set(all));
      for (const node of nodes) assert.ok(!('credentials' in node), node.type);
      for (const [, value] of JSON.stringify(nodes).matchAll(/"name":"\w+","value":"([^"]*)","type":"cred"/g))
        assert.equal(value, '');
    });

    it('fits between the panels of an editor that is 1400 pixels wide, on its grid', () => {
      for (const { type, x, y, w, h } of nodes) {
        if (x === undefined) continue;
        const isGroup = type === 'group';
        if (isGroup) assert.ok(Number(x) + Number(w) <= VISIBLE, String(w));
        // The edges of a node are on the grid. x is its center, and a link is 30 pixels wide.
        const rests = isGroup ? [x, y, w, h].map((each) => Number(each) % GRID) : [Number(y) % GRID, Number(x) % 5];
        assert.deepEqual(new Set(rests), new Set([0]), type);
      }
    });

    it('shows sentences in its debug nodes, and the progress only below its nodes', () => {
      for (const node of nodes.filter(({ type }) => type === 'debug')) {
        const shown = String(node['complete']);
        if (node['targetType'] === 'msg') assert.match(shown, /(^|\.)(text|message)$|^(payload|filename|_msgid)$/);
        if (shown === 'payload') assert.match(String(node['name']), /^(notify me|device state)$/);
      }
      const wires = (node: FlowNode): string[][] => (Array.isArray(node['wires']) ? node['wires'] : []);
      const debugs = new Set(nodes.filter(({ type }) => type === 'debug').map(({ id }) => id));
      for (const node of nodes.filter(({ type }) => /^homie-(ota|config)$/.test(type)))
        assert.ok(!wires(node)[1]?.some((id) => debugs.has(id)), nameOf(node));
    });

    it('has all that can be set in its nodes, and what is set makes sense', () => {
      for (const node of nodes) {
        const defaults = own.get(node.type)?.defaults;
        if (defaults === undefined) continue;
        for (const [property, { validate }] of Object.entries(defaults)) {
          assert.ok(property in node, `${node.type} ${property}`);
          if (validate !== undefined) assert.equal(validate.call(node, node[property], {}), true, property);
        }
        const more = Object.keys(node).filter((property) => !(property in defaults));
        assert.deepEqual(new Set(more), new Set(['id', 'type', ...('x' in node ? ['z', 'g', 'x', 'y', 'wires'] : [])]));
      }
    });
  });
}
