import type { NodeAPI } from 'node-red';

/** The properties of a node, as they were typed. */
export type TypedFields = Readonly<Record<string, unknown>>;

/** Removes a user name and a password from a URL. */
export function withoutUser(typed: string): string {
  return typed.replace(/^([^/]*:\/\/)?[^/?#]*@/, '$1');
}

/** Returns a URL without its path, which may contain a token. */
export function origin(typed: string): string {
  return /^(?:[^/]*:\/\/)?[^/?#]*/.exec(typed)?.[0] ?? typed;
}

/**
 * Returns the properties of a node as they were typed. The node itself gets the values of environment variables, which
 * nobody may see in an error, an answer or the log.
 *
 * @param node has the id. In an instance of a subflow, `_alias` is the id of the node in the subflow
 * @returns undefined if Node-RED does not have them, as for a node in a subflow that is installed as a module
 */
export function typedFields(RED: NodeAPI, node: object): TypedFields | undefined {
  const id: unknown = Reflect.get(node, '_alias') ?? Reflect.get(node, 'id');
  let found: TypedFields | undefined;
  RED.nodes.eachNode((each) => {
    if (each.id === id) found = { ...each };
  });
  return found;
}
