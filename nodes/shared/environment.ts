import type { Node, NodeAPI } from 'node-red';
import { HomieError } from '../../src/errors';

/** What an environment variable holds, as Node-RED sees it: of the group, the flow, the global settings, the process. */
export type Environment = (name: string) => unknown;

/**
 * Puts environment variables in the place of `${NAME}`. Node-RED does so itself where a field is nothing else; this
 * serves a field that has more than that, such as `homie/${SITE}/`.
 *
 * @returns undefined when a variable is not set: its name in a topic or as a password would be found out late
 */
export function expand(text: string, environment: Environment): string | undefined {
  let isComplete = true;
  const expanded = text.replaceAll(/\$\{([^{}]+)\}/g, (_whole, name: string) => {
    const value = asText(environment(name));
    if (value === undefined) isComplete = false;
    return value ?? '';
  });
  return isComplete ? expanded : undefined;
}

/** Returns the environment of a node. */
export function environmentOf(RED: NodeAPI, node: Node): Environment {
  return (name) => RED.util.getSetting(node, name);
}

/**
 * Returns the properties of a node with the values of environment variables in these of its text fields.
 *
 * @throws {HomieError} INVALID_SETTING, which names the field, when a variable is not set: without it, a device that was
 * to be excluded could be updated
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
    // What was typed is not shown: it could be the value of another variable.
    throw new HomieError('INVALID_SETTING.variable', { name });
  });
  return Object.fromEntries(expanded);
}

/** Whether a text that was typed holds an environment variable; `$(NAME)` is the older form, which Node-RED expands, too. */
export function holdsVariable(typed: string): boolean {
  return /\$[{(]/.test(typed);
}

/** A value that can stand in a text field; variables of a flow may be numbers and booleans too. */
export function asText(value: unknown): string | undefined {
  return typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean'
    ? String(value)
    : undefined;
}
