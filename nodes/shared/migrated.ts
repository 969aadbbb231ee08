import type { Node } from 'node-red';
import { HomieError } from '../../src/errors';
import { migrate } from '../../src/settings/migrations';
import { ownSettings } from './job-node';

/** The properties of a node as this version of the package has them. */
export interface Migrated<Definition> {
  readonly definition: Definition;
  /** SETTINGS_NEWER: a newer version has made the node, so its properties cannot be read. */
  readonly newer?: HomieError;
  /** Whether the messages of the node have the form of version 0.1.0. */
  readonly oldMessages: boolean;
}

/** Returns the properties of a node. Logs the error if they cannot be read. */
export function migratedOf<Definition extends object>(node: Node, definition: Definition): Migrated<Definition> {
  const own = ownSettings(node, () => migrated(node.type, definition));
  if (own instanceof HomieError) return { definition, newer: own, oldMessages: false };
  return { definition: own, oldMessages: 'oldMessages' in own && own.oldMessages === true };
}

/**
 * Returns the properties of a node as this version of the package has them.
 *
 * @throws {HomieError} SETTINGS_NEWER: a newer version has made the node
 */
export function migrated<Definition extends object>(type: string, definition: Definition): Definition {
  const known = migrate(type, definition);
  if (known === undefined) throw new HomieError('SETTINGS_NEWER');
  return { ...definition, ...known };
}
