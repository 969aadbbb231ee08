import { HomieError } from '../../src/errors';
import type { BrokerOptions } from '../../src/homie/broker';
import { normalizeBaseTopic } from '../../src/homie/topics';
import type { ConnectionOptions } from '../../src/mqtt/connection';
import { isEncrypted } from '../../src/mqtt/options';
import { connection as known } from '../../src/settings/table';
import type english from '../../src/texts/en-US.json';
import { phrase, type Text } from '../../src/texts/text';
import { asText, expand, type Environment } from '../shared/environment';
import { readSecret } from '../shared/secrets';
import { contradiction, readMqttBroker } from './mqtt-broker-adapter';
import { readTlsConfig } from './tls-config-adapter';
import { origin, withoutUser, type TypedFields } from '../shared/typed-fields';
import { holdsVariable } from '../shared/variable';

/** The sources of the settings. */
export interface BrokerSource {
  /** The properties of the node, in which Node-RED may have replaced environment variables by their values. */
  readonly fields: Readonly<Record<string, unknown>>;
  /** The properties as they were typed, which is all that may be shown of them; undefined if that is not known. */
  readonly typed: TypedFields | undefined;
  readonly credentials: { readonly user?: unknown; readonly password?: unknown };
  readonly environment: Environment;
  /** Returns another node by its id. */
  readonly getNode: (id: string) => unknown;
  /** Returns the properties of another node as they were typed. */
  readonly getTyped: (node: object) => TypedFields | undefined;
}

/** A text field. */
interface Field {
  readonly value: string;
  /** The text that may be shown. */
  readonly typed: string;
}

/** The fields whose labels the texts have. */
type FieldName = keyof typeof english.phrases.brokerField;

/** Shown if it is not known how a text was typed. */
const UNKNOWN = '${…}';

/**
 * Reads the settings of a `homie-broker` node. Errors show what was typed, never the value of an environment variable.
 * If the broker or the base topic comes from one, the settings say how to show it.
 *
 * @throws {HomieError} BROKER_SETTINGS, INVALID_BASE_TOPIC
 */
export function readBrokerSettings(source: BrokerSource): BrokerOptions {
  const clientId = read(source, 'clientid').value;
  const connection = read(source, 'connection').value === 'mqtt-broker' ? coreSettings(source) : ownSettings(source);
  return {
    ...connection,
    ...(clientId !== '' && { clientId }),
    ...readBaseTopic(source),
  };
}

function readBaseTopic(source: BrokerSource): Pick<BrokerOptions, 'baseTopic' | 'shownBaseTopic'> {
  const { value, typed } = read(source, 'baseTopic');
  const baseTopic = normalizeBaseTopic(value || 'homie/', typed);
  return { baseTopic, ...(holdsVariable(typed) && { shownBaseTopic: typed.endsWith('/') ? typed : `${typed}/` }) };
}

function coreSettings(source: BrokerSource): ConnectionOptions {
  const node = source.getNode(read(source, 'mqttBroker').value);
  return readMqttBroker(node, (core) => source.getTyped(core));
}

function ownSettings(source: BrokerSource): ConnectionOptions {
  const address = readAddress(source);
  const username = secret(source, 'user');
  const password = secret(source, 'password');
  const tls = read(source, 'tls').value;
  return {
    ...address,
    protocolVersion: readProtocol(read(source, 'protocolVersion')),
    keepalive: readNumber(source, 'keepalive') ?? known.keepalive.usual,
    ...(username !== '' && { username }),
    ...(password !== '' && { password }),
    ...(isEncrypted(address.url) && tls !== '' && { tls: readTlsConfig(source.getNode(tls)) }),
  };
}

function readAddress(source: BrokerSource): Pick<ConnectionOptions, 'url' | 'shownUrl'> {
  const { value: host, typed } = read(source, 'host');
  if (host === '') throw new HomieError('BROKER_SETTINGS.noServer');
  const encrypted = ['true', 'on'].includes(read(source, 'usetls').value);
  const [scheme, usualPort] = encrypted ? ['mqtts', 8883] : ['mqtt', 1883];
  const number = readNumber(source, 'port') ?? usualPort;
  const url = host.includes('://') ? host : `${scheme}://${inBrackets(host)}:${number}`;
  const named = withoutUser(typed);
  if (!URL.canParse(url) || (url !== host && /[\s/?#@]/.test(host))) {
    throw new HomieError('BROKER_SETTINGS.server', { server: JSON.stringify(named) });
  }
  refuseOtherUrls(new URL(url), named);
  if (encrypted && !isEncrypted(url)) throw contradiction(origin(named));
  const { typed: port } = read(source, 'port');
  if (!holdsVariable(typed) && (url === host || !holdsVariable(port))) return { url };
  const shownUrl = url === host ? origin(named) : `${scheme}://${inBrackets(named)}:${port || number}`;
  return { url, shownUrl };
}

/**
 * Refuses a URL that is not the URL of a broker, or contains a user name or password.
 *
 * @param named the URL as it may be shown
 */
function refuseOtherUrls({ protocol, hostname, username, password }: URL, named: string): void {
  if (username !== '' || password !== '') throw new HomieError('BROKER_SETTINGS.userInUrl');
  if (!['mqtt:', 'mqtts:', 'ws:', 'wss:'].includes(protocol) || hostname === '') {
    throw new HomieError('BROKER_SETTINGS.url', { url: JSON.stringify(named) });
  }
}

/** Puts an IPv6 address in brackets, as a URL requires. */
function inBrackets(host: string): string {
  return host.includes(':') ? `[${host.replaceAll(/[[\]]/g, '')}]` : host;
}

function readProtocol({ value, typed }: Field): ConnectionOptions['protocolVersion'] {
  if (value === '' || value === 'auto') return 'auto';
  if (value === '5') return 5;
  if (value === '4' || value === '3.1.1') return 4;
  throw new HomieError('BROKER_SETTINGS.protocol', { value: JSON.stringify(typed) });
}

function readNumber(source: BrokerSource, name: keyof typeof known): number | undefined {
  const { value, typed } = read(source, name);
  if (value === '') return undefined;
  const number = known[name].read(value);
  if (number !== undefined) return number;
  throw new HomieError(`BROKER_SETTINGS.${name}Value`, { value: JSON.stringify(typed) });
}

function read({ fields, typed, environment }: BrokerSource, name: FieldName): Field {
  const shown = typed === undefined ? UNKNOWN : (asText(typed[name]) ?? '').trim();
  const value = expand(asText(fields[name]) ?? '', environment);
  if (value !== undefined) return { value: value.trim(), typed: shown };
  throw new HomieError('BROKER_SETTINGS.unsetVariable', { field: labelOf(name), value: JSON.stringify(shown) });
}

/** Returns the label of a field in the dialog. */
function labelOf(name: FieldName): Text {
  return phrase(`brokerField.${name}`);
}

function secret({ credentials, environment }: BrokerSource, name: 'user' | 'password'): string {
  const value = readSecret(credentials[name], environment);
  // The variable is not named, since the text could be the value of another one.
  if (value === undefined) throw new HomieError('BROKER_SETTINGS.unsetSecret', { field: labelOf(name) });
  return value;
}
