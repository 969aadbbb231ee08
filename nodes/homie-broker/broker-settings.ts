import { HomieError } from '../../src/errors';
import type { BrokerOptions } from '../../src/homie/broker';
import { normalizeBaseTopic } from '../../src/homie/topics';
import type { ConnectionOptions } from '../../src/mqtt/connection';
import { isEncrypted } from '../../src/mqtt/options';
import type { Setting } from '../../src/settings/setting';
import { connection as known } from '../../src/settings/table';
import { inEnglish } from '../../src/texts/text';
import { asText, expand, holdsVariable, type Environment } from '../shared/environment';
import { contradiction, readMqttBroker } from './mqtt-broker-adapter';
import { readTlsConfig } from './tls-config-adapter';
import { origin, withoutUser, type TypedFields } from '../shared/typed-fields';

/** What the settings are read from. */
export interface BrokerSource {
  /** The properties of the node. Node-RED may have put in the values of environment variables. */
  readonly fields: Readonly<Record<string, unknown>>;
  /** The same as they were typed, which is all that may be shown of them; undefined where nobody knows. */
  readonly typed: TypedFields | undefined;
  readonly credentials: { readonly user?: unknown; readonly password?: unknown };
  readonly environment: Environment;
  /** Gives another node by its id. */
  readonly getNode: (id: string) => unknown;
  /** Gives the properties of another node as they were typed. */
  readonly getTyped: (node: object) => TypedFields | undefined;
}

/** A text field. */
interface Field {
  readonly value: string;
  /** What may be shown of it. */
  readonly typed: string;
}

/** Stands for a text of which nobody knows how it was typed. */
const UNKNOWN = '${…}';

/**
 * Reads the settings of a `homie-broker` node. Errors show what was typed, never the value of an environment variable; the
 * settings say how to name the broker and its base topic where these come from one.
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
    keepalive: readNumber(read(source, 'keepalive'), 'keep-alive', known.keepalive) ?? known.keepalive.usual,
    ...(username !== '' && { username }),
    ...(password !== '' && { password }),
    ...(isEncrypted(address.url) && tls !== '' && { tls: readTlsConfig(source.getNode(tls)) }),
  };
}

function readAddress(source: BrokerSource): Pick<ConnectionOptions, 'url' | 'shownUrl'> {
  const { value: host, typed } = read(source, 'host');
  if (host === '') throw invalid('The homie-broker has no server.', 'Enter the host name of the broker, or its URL.');
  const encrypted = ['true', 'on'].includes(read(source, 'usetls').value);
  const [scheme, usualPort] = encrypted ? ['mqtts', 8883] : ['mqtt', 1883];
  const port = read(source, 'port');
  const number = readNumber(port, 'port', known.port) ?? usualPort;
  const url = host.includes('://') ? host : `${scheme}://${inBrackets(host)}:${number}`;
  const named = withoutUser(typed);
  if (!URL.canParse(url) || (url !== host && /[\s/?#@]/.test(host))) {
    throw invalid(`The server ${JSON.stringify(named)} is not a host name, an IP address or a URL.`);
  }
  refuseOtherUrls(new URL(url), named);
  if (encrypted && !isEncrypted(url)) throw contradiction(origin(named));
  if (!holdsVariable(typed) && (url === host || !holdsVariable(port.typed))) return { url };
  const shownUrl = url === host ? origin(named) : `${scheme}://${inBrackets(named)}:${port.typed || number}`;
  return { url, shownUrl };
}

/** Refuses a URL that is not one of a broker, or has a password in it. @param named what may be shown of it */
function refuseOtherUrls({ protocol, hostname, username, password }: URL, named: string): void {
  if (username !== '' || password !== '') {
    throw invalid(
      'The URL of the broker contains a user name or password.',
      'Enter them in their own fields: the URL is stored with the flow and can be read there.',
    );
  }
  if (!['mqtt:', 'mqtts:', 'ws:', 'wss:'].includes(protocol) || hostname === '') {
    throw invalid(
      `The URL of the broker must start with mqtt://, mqtts://, ws:// or wss:// and name a host, but is ${JSON.stringify(named)}.`,
    );
  }
}

/** An IPv6 address stands in brackets in a URL. */
function inBrackets(host: string): string {
  return host.includes(':') ? `[${host.replaceAll(/[[\]]/g, '')}]` : host;
}

function readProtocol({ value, typed }: Field): ConnectionOptions['protocolVersion'] {
  if (value === '' || value === 'auto') return 'auto';
  if (value === '5') return 5;
  if (value === '4' || value === '3.1.1') return 4;
  throw invalid(`The protocol must be auto, 5 or 3.1.1, but is ${JSON.stringify(typed)}.`);
}

function readNumber({ value, typed }: Field, name: string, setting: Setting<number>): number | undefined {
  if (value === '') return undefined;
  const number = setting.read(value);
  if (number !== undefined) return number;
  throw invalid(`The ${name} must be ${inEnglish(setting.expected)}, but is ${JSON.stringify(typed)}.`);
}

function read({ fields, typed, environment }: BrokerSource, name: string): Field {
  const shown = typed === undefined ? UNKNOWN : (asText(typed[name]) ?? '').trim();
  const value = expand(asText(fields[name]) ?? '', environment);
  if (value !== undefined) return { value: value.trim(), typed: shown };
  throw invalid(`The field ${name} (${JSON.stringify(shown)}) contains an environment variable that is not set.`);
}

/**
 * A user name or password is taken as it is, since any text may be one, unless it is an environment variable as a whole:
 * Node-RED has put that in where the node is deployed, but not in what the editor sends.
 */
function secret({ credentials, environment }: BrokerSource, name: 'user' | 'password'): string {
  const text = asText(credentials[name]) ?? '';
  if (!/^\$\{[^{}]+\}$/.test(text)) return text;
  const value = expand(text, environment);
  // Not named: it could be the value of another one.
  if (value === undefined) throw invalid(`The field ${name} is an environment variable that is not set.`);
  return value;
}

function invalid(message: string, hint?: string): HomieError {
  return new HomieError('BROKER_SETTINGS', message, hint === undefined ? {} : { hint });
}
