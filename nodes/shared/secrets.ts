import { asText, expand, type Environment } from './environment';
import { isVariable } from './variable';

/** Sent by the editor in place of a secret that it does not know. */
export const UNCHANGED = '__PWRD__';

/**
 * Returns a secret as it is, since any text may be one, unless it is an environment variable. Node-RED replaces that
 * when the node is deployed, but not in what the editor sends.
 *
 * @returns undefined if the variable is not set
 */
export function readSecret(given: unknown, environment: Environment): string | undefined {
  const text = asText(given) ?? '';
  return isVariable(text) ? expand(text, environment) : text;
}
