/**
 * The version of the properties of a node in a flow, and how those of an older version are read. Also runs in the
 * browser, so that the dialog of an older node shows what the node does.
 *
 * To change the meaning of a property, raise the version and add what turns the old properties into the new ones.
 */

/** The version that the editor writes. 1: version 0.1.0 of the package, which wrote none. 2: version 0.2.0. */
export const SETTINGS_VERSION = 2;

type Properties = Readonly<Record<string, unknown>>;

/**
 * By version: returns the properties of the next version. From 1 to 2, no property changed; what changed in messages is
 * in docs/upgrading.md.
 */
const migrations: Readonly<Record<number, (type: string, properties: Properties) => Properties>> = {};

/** Returns the version of the properties of a node; NaN if nobody can say which. */
export function versionOf(node: object): number {
  const given: unknown = Reflect.get(node, 'settingsVersion') ?? '';
  return given === '' ? 1 : Number(given);
}

/**
 * Returns the properties of a node as this version of the package has them; undefined if a newer version has made them,
 * or nobody can say which.
 */
export function migrate(type: string, node: object): Properties | undefined {
  const properties: Properties = { ...node };
  const first = versionOf(node);
  if (!Number.isInteger(first) || first < 1 || first > SETTINGS_VERSION) return undefined;
  let migrated = properties;
  for (let version = first; version < SETTINGS_VERSION; version += 1) {
    migrated = migrations[version]?.(type, migrated) ?? migrated;
  }
  return { ...migrated, settingsVersion: SETTINGS_VERSION };
}
