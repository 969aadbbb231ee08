import { HomieError } from '../../src/errors';
import type { ConnectionOptions } from '../../src/mqtt/connection';
import { isEncrypted, shownUrl as describeUrl } from '../../src/mqtt/options';
import { asText } from '../shared/environment';
import { pickTlsOptions } from './tls-config-adapter';
import { origin, withoutUser, type TypedFields } from '../shared/typed-fields';
import { holdsVariable } from '../shared/variable';

/** The scheme that our connection uses for each scheme of the core node. */
const schemes: Readonly<Record<string, string>> = {
  'mqtt:': 'mqtt:',
  'tcp:': 'mqtt:',
  'mqtts:': 'mqtts:',
  'ssl:': 'mqtts:',
  'tls:': 'mqtts:',
  'ws:': 'ws:',
  'wss:': 'wss:',
};

/**
 * Reads how an `mqtt-broker` node of Node-RED's core connects, so that our own connection can do the same. Its
 * `brokerurl` and `options` are set when it is created, whether it connects or not (Node-RED 4 and 5:
 * nodes/core/network/10-mqtt.js, `setOptions`). Takes address, credentials, TLS, protocol version and keepalive. Omits
 * will, client id and session, which belong to the node's own connection.
 *
 * @param node the node as returned by `RED.nodes.getNode`
 * @param getTyped returns the properties of the node as they were typed
 * @throws {HomieError} BROKER_SETTINGS
 */
export function readMqttBroker(node: unknown, getTyped: (node: object) => TypedFields | undefined): ConnectionOptions {
  if (!isMqttBroker(node)) throw new HomieError('BROKER_SETTINGS.coreMissing');
  const { options } = node;
  if (options['wsOptions'] !== undefined) throw new HomieError('BROKER_SETTINGS.proxy');
  const url = readUrl(node.brokerurl);
  const { username, password, keepalive, protocolVersion } = options;
  const shownUrl = shownAddress(getTyped(node), new URL(url).protocol);
  if (node.usetls === true && !isEncrypted(url)) throw contradiction(shownUrl ?? describeUrl(url));
  return {
    url,
    ...(shownUrl !== undefined && { shownUrl }),
    protocolVersion: protocolVersion === 5 ? 5 : 4,
    ...(typeof keepalive === 'number' && { keepalive }),
    ...(typeof username === 'string' && username !== '' && { username }),
    ...(typeof password === 'string' && password !== '' && { password }),
    ...(isEncrypted(url) && { tls: pickTlsOptions(options) }),
  };
}

function readUrl(text: string): string {
  const scheme = schemes[/^[a-z]+:/i.exec(text)?.[0].toLowerCase() ?? ''];
  const url = scheme === undefined ? undefined : `${scheme}${text.slice(text.indexOf(':') + 1)}`;
  if (url === undefined || !URL.canParse(url) || new URL(url).hostname === '') {
    throw new HomieError('BROKER_SETTINGS.coreServer');
  }
  return url;
}

/**
 * Returns the error for a URL without TLS if TLS is switched on.
 *
 * @param shown the URL as it may be shown
 */
export function contradiction(shown: string): HomieError {
  return new HomieError('BROKER_SETTINGS.urlWithoutTls', { url: JSON.stringify(shown) });
}

/** Returns the address as it may be shown; undefined if nothing in it comes from an environment variable. */
function shownAddress(typed: TypedFields | undefined, scheme: string): string | undefined {
  if (typed === undefined) return `${scheme}//\${…}`;
  const parts = ['url', 'broker', 'port'].map((name) => asText(typed[name]) ?? '');
  if (!parts.some(holdsVariable)) return undefined;
  const [url, host, port] = parts;
  const address = url || (host?.includes('://') ? host : `${scheme}//${host}:${port}`);
  return origin(withoutUser(address));
}

function isMqttBroker(
  node: unknown,
): node is { brokerurl: string; options: Record<string, unknown>; usetls?: unknown } {
  return (
    typeof node === 'object' &&
    node !== null &&
    'brokerurl' in node &&
    typeof node.brokerurl === 'string' &&
    node.brokerurl !== '' &&
    'options' in node &&
    typeof node.options === 'object' &&
    node.options !== null
  );
}
