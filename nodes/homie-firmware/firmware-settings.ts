import { HomieError } from '../../src/errors';
import { isThisMachine } from '../../src/mqtt/options';
import type { Credentials } from '../../src/sources/download';
import {
  authorizationOf,
  originOf,
  readSourceSettings,
  shownAddress,
  sourceDefaults,
  sourceSettingNames,
  type SourceContext,
  type SourceSettings,
} from '../../src/sources/settings';
import { asText, expandFields, type Environment } from '../shared/environment';
import type { Request } from '../shared/request';
import { readSecret } from '../shared/secrets';
import type { TypedFields } from '../shared/typed-fields';
import { holdsVariable } from '../shared/variable';

/** The fields of the node's credentials. */
export interface SourceCredentials {
  user: unknown;
  password: unknown;
  token: unknown;
}

/** The sources of the settings of a node. */
export interface FieldSource {
  /** The properties of the node, in which Node-RED may have replaced environment variables by their values. */
  readonly fields: Request;
  /** The properties as they were typed; undefined if that is not known. */
  readonly typed: TypedFields | undefined;
  readonly credentials: Partial<SourceCredentials>;
  readonly environment: Environment;
}

/** The settings of a node. */
export interface NodeSource {
  readonly settings: SourceSettings;
  /** The credentials, for the server of the node only, whatever a message names. */
  readonly credentials: Credentials | undefined;
  /** Returns how a setting may be shown. */
  readonly shown: SourceContext['shown'];
}

/**
 * Reads the settings of a `homie-firmware` node.
 *
 * @throws {HomieError} INVALID_SETTING, SOURCE_SETTINGS
 */
export function readNodeSource({ fields, typed, credentials, environment }: FieldSource): NodeSource {
  const settings = readSourceSettings(sourceDefaults, expandFields(fields, sourceSettingNames, environment));
  const secret = (name: keyof SourceCredentials): string => {
    const value = readSecret(credentials[name], environment);
    if (value === undefined) throw new HomieError('SOURCE_SETTINGS.variable');
    return value;
  };
  const authorization = authorizationOf(secret('user'), secret('password'), secret('token'));
  const origin = originOf(settings);
  return {
    settings,
    credentials: authorization === undefined || origin === undefined ? undefined : { origin, authorization },
    shown: (name, value) => shownOf(name, value, settings[name], typed),
  };
}

/** Returns whether the credentials can be read between this machine and the server. */
export function sendsPlainSecret({ credentials }: NodeSource): boolean {
  if (credentials === undefined) return false;
  const { protocol, hostname } = new URL(credentials.origin);
  return protocol === 'http:' && !isThisMachine(hostname);
}

/**
 * Returns how a setting may be shown: an environment variable as it was typed, never its value; a setting of a message
 * as it is.
 */
function shownOf(name: string, value: string, own: string | undefined, typed: TypedFields | undefined): string {
  const asTyped = typed === undefined ? '${…}' : (asText(typed[name]) ?? '');
  const text = value === own && (typed === undefined || holdsVariable(asTyped)) ? asTyped : value;
  return name === 'url' || name === 'api' ? shownAddress(text) : text;
}
