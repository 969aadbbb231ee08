import { networkInterfaces } from 'node:os';
import type { IClientOptions } from 'mqtt';
import { HomieError } from '../errors';

/** How to connect to a broker. */
export interface ConnectionOptions {
  /** Starts with `mqtt://`, `mqtts://`, `ws://` or `wss://`. */
  readonly url: string;
  /** How errors name the broker, if the URL contains something that must not be shown. */
  readonly shownUrl?: string;
  /** 4 is MQTT 3.1.1. `auto` tries 5, and uses 4 if the broker refuses 5. */
  readonly protocolVersion: 5 | 4 | 'auto';
  /** Random if left out. */
  readonly clientId?: string;
  /** In s; 0 disables it. */
  readonly keepalive?: number;
  readonly username?: string;
  readonly password?: string;
  readonly tls?: {
    readonly ca?: string | Buffer;
    readonly cert?: string | Buffer;
    readonly key?: string | Buffer;
    readonly passphrase?: string;
    readonly servername?: string;
    readonly rejectUnauthorized?: boolean;
    readonly alpnProtocols?: string[];
  };
  /** How long the broker may take to accept the connection, in ms. */
  readonly connectTimeout?: number;
  /** Pause between two attempts, in ms: starts at `min` and doubles each time up to `max`. */
  readonly reconnect?: { readonly min: number; readonly max: number };
}

const schemes = ['mqtt:', 'mqtts:', 'ws:', 'wss:'] as const;
const CONNECT_TIMEOUT = 20_000;
const KEEPALIVE = 60;

/**
 * The largest message that is accepted, in bytes. It must allow a retained firmware in base64 to be found, and it is
 * limited because anybody may publish more.
 */
export const MAX_PACKET = 32 * 1024 * 1024;

/** The largest WebSocket message, in bytes. It is received as a whole, and may contain more than one MQTT packet. */
const MAX_FRAME = 2 * MAX_PACKET;

/**
 * Returns the options of mqtt.js for one network connection. They disable its reconnect, which would repeat
 * unacknowledged messages.
 *
 * @throws {HomieError} BROKER_SETTINGS: the URL is not that of a broker, its credentials cannot be decoded, or the
 *   keep-alive is invalid
 */
export function clientOptions(options: ConnectionOptions, protocolVersion: 4 | 5, clientId: string): IClientOptions {
  const { keepalive = KEEPALIVE, connectTimeout = CONNECT_TIMEOUT } = options;
  const url = brokerUrl(options.url);
  const websocket = url.protocol.startsWith('ws');
  const username = options.username ?? decoded(url.username);
  const password = options.password ?? decoded(url.password);
  if (!Number.isInteger(keepalive) || keepalive < 0 || keepalive > 65_535) {
    throw new HomieError('BROKER_SETTINGS.keepalive');
  }
  const security = tlsOptions(options);
  return {
    protocol: schemeOf(url),
    // Only a URL has brackets around an IPv6 address.
    host: websocket ? url.hostname : url.hostname.replace(/^\[(.*)\]$/, '$1'),
    ...(url.port !== '' && { port: Number(url.port) }),
    ...(websocket && { path: `${url.pathname}${url.search}`, wsOptions: { ...security, maxPayload: MAX_FRAME } }),
    ...security,
    protocolVersion,
    ...(protocolVersion === 5 && { properties: { maximumPacketSize: MAX_PACKET } }),
    clientId,
    keepalive,
    connectTimeout,
    ...(username !== undefined && { username }),
    ...(password !== undefined && { password }),
    manualConnect: true,
    clean: true,
    resubscribe: false,
    reconnectPeriod: 0,
    queueQoSZero: false,
  };
}

/** Returns the TLS options of mqtt.js, which needs them twice with WebSocket. */
function tlsOptions({ url, tls = {} }: ConnectionOptions): Partial<IClientOptions> {
  if (!isEncrypted(url)) return {};
  const { alpnProtocols, ...options } = tls;
  return { rejectUnauthorized: true, ...options, ...(alpnProtocols && { ALPNProtocols: alpnProtocols }) };
}

/**
 * Returns the URL without credentials, for people to read.
 *
 * @throws {HomieError} BROKER_SETTINGS: the URL is not that of a broker
 */
export function shownUrl(text: string): string {
  const { protocol, host } = brokerUrl(text);
  return `${protocol}//${host}`;
}

/** The part of an address that names no host. */
export interface BrokerAddress {
  readonly scheme: 'mqtt' | 'mqtts' | 'ws' | 'wss';
  /** Undefined if it is the usual one, or comes from something that must not be shown. */
  readonly port?: string;
}

/**
 * Returns the part of the address of a broker that may be published.
 *
 * @throws {HomieError} BROKER_SETTINGS: the URL is not that of a broker
 */
export function addressOf({ url, shownUrl: shown = url }: ConnectionOptions): BrokerAddress {
  const port = /^\w+:\/\/[^/?#]*:(\d+)(?=[/?#]|$)/.exec(shown)?.[1];
  return { scheme: schemeOf(brokerUrl(url)), ...(port !== undefined && { port }) };
}

/** Returns whether the connection uses TLS. */
export function isEncrypted(url: string): boolean {
  return /^(mqtts|wss):/i.test(url);
}

/**
 * Returns whether a password would be sent in plain text to another machine.
 *
 * @throws {HomieError} BROKER_SETTINGS: the URL is not that of a broker
 */
export function sendsPlainPassword(options: ConnectionOptions): boolean {
  const { hostname, password } = brokerUrl(options.url);
  if (isEncrypted(options.url) || (options.password ?? password) === '') return false;
  return !isThisMachine(hostname);
}

/** Returns whether everything sent to this host name of a URL stays on this machine. */
export function isThisMachine(hostname: string): boolean {
  if (/^(localhost|.+\.localhost|127(\.\d+){3}|\[::1\])\.?$/i.test(hostname)) return true;
  return Object.values(networkInterfaces()).some((addresses) =>
    addresses?.some(({ address, family }) => hostname === (family === 'IPv6' ? inUrl(address) : address)),
  );
}

/** Returns an IPv6 address as `URL` normalizes it. */
function inUrl(address: string): string {
  const url = `mqtt://[${address}]`;
  return URL.canParse(url) ? new URL(url).hostname : address;
}

function brokerUrl(text: string): URL {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url === undefined || url.hostname === '' || !schemes.some((scheme) => scheme === url.protocol)) {
    throw new HomieError('BROKER_SETTINGS.scheme');
  }
  return url;
}

/** Decodes the user name or password of a URL. */
function decoded(text: string): string | undefined {
  if (text === '') return undefined;
  try {
    return decodeURIComponent(text);
  } catch {
    throw new HomieError('BROKER_SETTINGS.encoding');
  }
}

function schemeOf(url: URL): 'mqtt' | 'mqtts' | 'ws' | 'wss' {
  switch (url.protocol) {
    case 'mqtts:':
      return 'mqtts';
    case 'ws:':
      return 'ws';
    case 'wss:':
      return 'wss';
    default:
      return 'mqtt';
  }
}
