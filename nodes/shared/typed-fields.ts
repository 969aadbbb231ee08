import type { NodeAPI } from 'node-red';

/** The properties of a node, as they were typed. */
export type TypedFields = Readonly<Record<string, unknown>>;

/** Leaves out a user name and a password, which may stand in a URL. */
export function withoutUser(typed: string): string {
  return typed.replace(/^([^/]*:\/\/)?[^/?#]*@/, '$1');
}

/** A URL without its path, which may hold a token. */
export function origin(typed: string): string {
  return /^(?:[^/]*:\/\/)?[^/?#]*/.exec(typed)?.[0] ?? typed;
}

/**
 * Returns the properties of a node as they were typed. A node itself is given the values of environment variables, which
 * nobody may see in an error, an answer or the log.
 *
 * @param node has its id; in an instance of a subflow `_alias` is that of the node in the subflow
 * @returns undefined where Node-RED does not have them, as for a node in a subflow that is installed as a module
 */
export function typedFields(RED: NodeAPI, node: object): TypedFields | undefined {
  const id: unknown = Reflect.get(node, '_alias') ?? Reflect.get(node, 'id');
  let found: TypedFields | undefined;
  RED.nodes.eachNode((each) => {
    if (each.id === id) found = { ...each };
  });
  return found;
}
