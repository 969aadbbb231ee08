import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { compileFunction } from 'node:vm';
import type { FlowNode } from 'node-red-node-test-helper';
import { root } from '../support/node-red';

const folder = path.join(root, 'examples');

/** The names of the examples. */
export const examples = readdirSync(folder)
  .filter((file) => file.endsWith('.json'))
  .map((file) => path.basename(file, '.json'))
  .sort();

/** Returns the nodes of an example as they are in its file. */
export function readExample(name: string): FlowNode[] {
  const nodes: FlowNode[] = JSON.parse(readFileSync(path.join(folder, `${name}.json`), 'utf8'));
  return nodes;
}

/** Returns the code of a function node of an example, as a function of the names that it uses. */
export function functionOf(
  example: string,
  name: string,
  ...names: readonly string[]
): (...values: unknown[]) => unknown {
  const node = readExample(example).find((each) => each.type === 'function' && each['name'] === name);
  const made = compileFunction(String(node?.['func']), names);
  return (...values) => Reflect.apply(made, undefined, values);
}

/** Returns the environment variables of a tab. */
export function variables(node: FlowNode): { readonly name: string; readonly value: string; readonly type: string }[] {
  const { env } = node;
  return Array.isArray(env) ? env : [];
}

/** Returns the name of a node, or its type if it has none. */
export function nameOf({ type, name }: FlowNode): string {
  return typeof name === 'string' && name !== '' ? name : type;
}
