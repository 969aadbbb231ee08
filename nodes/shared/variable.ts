/** Environment variables in the fields of a node, in the dialogs and when the node starts. */

/**
 * Returns whether Node-RED takes a whole field as typed for an environment variable when it creates the node: `${NAME}`,
 * or `$(NAME)`, the older form (Node-RED 4 and 5: runtime/lib/flows/util.js, `EnvVarPropertyRE`).
 */
export function isVariable(typed: string): boolean {
  return /^(?:\$\{\S+\}|\$\(\S+\))$/.test(typed);
}

/**
 * Returns whether a text as typed is or contains an environment variable. Only `${NAME}` may be a part of a text: see
 * `expand`.
 */
export function holdsVariable(typed: string): boolean {
  return isVariable(typed) || /\$\{[^{}]+\}/.test(typed);
}
