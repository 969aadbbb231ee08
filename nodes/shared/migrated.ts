import type { Node } from 'node-red';
import { HomieError } from '../../src/errors';
import { migrate, versionOf } from '../../src/settings/migrations';
import { nodes } from '../../src/settings/table';
import { ownSettings } from './job-node';

/** The properties of a node as this version of the package has them. */
export interface Migrated<Definition> {
  readonly definition: Definition;
  /** SETTINGS_NEWER: a newer version has made the node, so its properties cannot be read. */
  readonly newer?: HomieError;
}

/** Returns the properties of a node. Logs the error if they cannot be read. */
export function migratedOf<Definition extends object>(node: Node, definition: Definition): Migrated<Definition> {
  const own = ownSettings(node, () => migrated(node.type, definition));
  return own instanceof HomieError ? { definition, newer: own } : { definition: own };
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

/**
 * Returns a function that warns of a message which sets something in a property that only version 0.1.0 read. It warns
 * once, and only if that version has made the node.
 */
export function oldMessageWarning(node: Node, definition: object): (msg: object) => void {
  const sections = versionOf(definition) === 1 ? Object.values(nodes[node.type]?.sections ?? {}) : [];
  let names = sections.flatMap((section) => Object.keys(section)).filter((name) => name !== 'device');
  return (msg) => {
    const name = names.find((each) => Object.hasOwn(msg, each));
    if (name === undefined) return;
    names = [];
    node.warn(
      `Version 0.1.0 read the setting ${name} from msg.${name}. It is now read from msg.options.${name} only. ` +
        'To stop this warning, open the node, press Done and deploy.',
    );
  };
}
