import { HomieError } from '../src/errors';
import { normalizeBaseTopic } from '../src/homie/topics';
import type { ConnectionOptions } from '../src/mqtt/connection';
import { asText, expand, type Environment } from './environment';
import { readMqttBroker } from './mqtt-broker-adapter';
import { readTlsConfig } from './tls-config-adapter';

export type BrokerSettings = ConnectionOptions & { baseTopic: string };

/** What the settings are read from. */
export interface BrokerSource {
  /** The properties of the node, as the flow file has them. */
  readonly fields: Readonly<Record<string, unknown>>;
  readonly credentials: { readonly user?: unknown; readonly password?: unknown };
  readonly environment: Environment;
  /** Gives another node by its id. */
  readonly getNode: (id: string) => unknown;
}

const DEFAULT_KEEPALIVE = 60;

/**
 * Reads the settings of a `homie-broker` node.
 *
 * @throws {HomieError} BROKER_SETTINGS, INVALID_BASE_TOPIC
 */
export function readBrokerSettings(source: BrokerSource): BrokerSettings {
  const clientId = text(source, 'clientid');
  const connection = text(source, 'connection') === 'mqtt-broker' ? coreSettings(source) : ownSettings(source);
  return {
    ...connection,
    ...(clientId !== '' && { clientId }),
    baseTopic: normalizeBaseTopic(text(source, 'baseTopic') || 'homie/'),
  };
}

function coreSettings(source: BrokerSource): ConnectionOptions {
  return readMqttBroker(source.getNode(text(source, 'mqttBroker')));
}

function ownSettings(source: BrokerSource): ConnectionOptions {
  const url = readUrl(source);
  const username = secret(source, 'user');
  const password = secret(source, 'password');
  const tls = text(source, 'tls');
  const encrypted = /^(mqtts|wss):/.test(url);
  return {
    url,
    protocolVersion: readProtocol(text(source, 'protocolVersion')),
    keepalive: readNumber(text(source, 'keepalive'), 'keep-alive', 0, 65_535) ?? DEFAULT_KEEPALIVE,
    ...(username !== '' && { username }),
    ...(password !== '' && { password }),
    ...(encrypted && tls !== '' && { tls: readTlsConfig(source.getNode(tls)) }),
  };
}

function readUrl(source: BrokerSource): string {
  const host = text(source, 'host');
  if (host === '') throw invalid('The homie-broker has no host.', 'Give the host name of the broker, or its URL.');
  const encrypted = ['true', 'on'].includes(text(source, 'usetls'));
  const port = readNumber(text(source, 'port'), 'port', 1, 65_535) ?? (encrypted ? 8883 : 1883);
  const url = host.includes('://') ? host : `${encrypted ? 'mqtts' : 'mqtt'}://${inBrackets(host)}:${port}`;
  if (!URL.canParse(url) || (url !== host && /[\s/?#@]/.test(host))) {
    throw invalid('The host of the broker is not a host name, an IP address or a URL.');
  }
  const { protocol, hostname, username, password } = new URL(url);
  if (!['mqtt:', 'mqtts:', 'ws:', 'wss:'].includes(protocol) || hostname === '') {
    throw invalid('The URL of the broker must begin with mqtt://, mqtts://, ws:// or wss:// and name a host.');
  }
  if (username !== '' || password !== '') {
    throw invalid(
      'The URL of the broker holds a user name or password.',
      'Give them in their own fields: the URL is stored with the flow and can be read there.',
    );
  }
  return url;
}

/** An IPv6 address stands in brackets in a URL. */
function inBrackets(host: string): string {
  return host.includes(':') ? `[${host.replaceAll(/[[\]]/g, '')}]` : host;
}

function readProtocol(version: string): ConnectionOptions['protocolVersion'] {
  if (version === '' || version === 'auto') return 'auto';
  if (version === '5') return 5;
  if (version === '4' || version === '3.1.1') return 4;
  throw invalid('The protocol must be auto, 5 or 3.1.1.');
}

function readNumber(value: string, name: string, least: number, most: number): number | undefined {
  if (value === '') return undefined;
  const number = Number(value);
  if (!Number.isInteger(number) || number < least || number > most) {
    throw invalid(`The ${name} must be a whole number from ${least} to ${most}.`);
  }
  return number;
}

function text({ fields, environment }: BrokerSource, name: string): string {
  try {
    return expand(asText(fields[name]) ?? '', environment).trim();
  } catch (error) {
    throw invalid(`The field ${name} cannot be read: ${error instanceof Error ? error.message : String(error)}.`);
  }
}

/** A user name or password is taken as it is, since any text may be one; Node-RED has put the variables in. */
function secret({ credentials }: BrokerSource, name: 'user' | 'password'): string {
  const value = asText(credentials[name]) ?? '';
  const variable = /^\$\{([^{}]+)\}$/.exec(value)?.[1];
  if (variable !== undefined) {
    throw invalid(`The field ${name} cannot be read: the environment variable ${variable} is not set.`);
  }
  return value;
}

function invalid(message: string, hint?: string): HomieError {
  return new HomieError('BROKER_SETTINGS', message, hint === undefined ? {} : { hint });
}
