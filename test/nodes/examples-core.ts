import path from 'node:path';
import type { FlowNode, NodeModule } from 'node-red-node-test-helper';

const runtime = path.dirname(require.resolve(process.env['NODE_RED'] ?? 'node-red'));

/** Files of the core nodes that the examples need. */
export const core = [
  'common/20-inject.js',
  'common/21-debug.js',
  'common/60-link.js',
  'common/90-comment.js',
  'function/10-function.js',
  'function/10-switch.js',
  'function/15-change.js',
  'function/89-trigger.js',
  'network/10-mqtt.js',
  'network/21-httpin.js',
  'parsers/70-JSON.js',
  'sequence/17-split.js',
  'storage/10-file.js',
].map((file): NodeModule => require(require.resolve(`@node-red/nodes/core/${file}`, { paths: [runtime] })));

/** One node of each type, because the helper would load a type once for each node in a flow. */
export const listeners: FlowNode[] = [
  { id: 'first', type: 'tab' },
  ...['catch', 'complete', 'status'].map((type) => ({ id: type, type, z: 'first', x: 0, y: 0, scope: [], wires: [] })),
];
