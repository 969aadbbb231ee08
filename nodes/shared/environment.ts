import type { Node, NodeAPI } from 'node-red';
import { HomieError } from '../../src/errors';

/**
 * Returns the value of an environment variable as Node-RED sees it: of the group, the flow, the global settings or the
 * process.
 */
export type Environment = (name: string) => unknown;

/**
 * Replaces `${NAME}`, and a whole `$(NAME)`, by the value of the environment variable. Node-RED itself does so only when
 * a node is deployed, and only if the field contains nothing else, unlike `homie/${SITE}/`.
 *
 * @returns undefined if a variable is not set: its name in a topic or as a password would be noticed late
 */
export function expand(text: string, environment: Environment): string | undefined {
  let isComplete = true;
  const expanded = text.replaceAll(/\$\{([^{}]+)\}|^\$\((\S+)\)$/g, (_whole, name?: string, older = '') => {
    const value = asText(environment(name ?? older));
    if (value === undefined) isComplete = false;
    return value ?? '';
  });
  return isComplete ? expanded : undefined;
}

/** Returns the environment of a node; without a node, that of the process. */
export function environmentOf(RED: NodeAPI, node: Node | undefined): Environment {
  return (name) => (node === undefined ? process.env[name] : RED.util.getSetting(node, name));
}

/**
 * Returns the properties of a node with environment variables replaced in these text fields.
 *
 * @throws {HomieError} INVALID_SETTING: a variable is not set; names the field. Otherwise a device that was to be
 * excluded could be updated
 */
export function expandFields(
  fields: object,
  names: readonly string[],
  environment: Environment,
): Readonly<Record<string, unknown>> {
  const expanded = Object.entries(fields).map(([name, value]: [string, unknown]) => {
    if (typeof value !== 'string' || !names.includes(name)) return [name, value];
    const text = expand(value, environment);
    if (text !== undefined) return [name, text];
    // The text is not shown, since it could be the value of another variable.
    throw new HomieError('INVALID_SETTING.variable', { name });
  });
  return Object.fromEntries(expanded);
}

/**
 * Returns a value as text; undefined if it does not fit in a text field. Variables of a flow may also be numbers and
 * booleans.
 */
export function asText(value: unknown): string | undefined {
  return typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean'
    ? String(value)
    : undefined;
}
