import { HomieError } from '../../src/errors';
import type { ConnectionOptions } from '../../src/mqtt/connection';

export type TlsOptions = NonNullable<ConnectionOptions['tls']>;

/**
 * Reads a `tls-config` node of Node-RED's core (4 and 5: nodes/core/network/05-tls.js).
 *
 * @param node the node as returned by `RED.nodes.getNode`
 * @throws {HomieError} BROKER_SETTINGS
 */
export function readTlsConfig(node: unknown): TlsOptions {
  if (!isTlsConfig(node)) throw new HomieError('BROKER_SETTINGS.tlsMissing');
  if (node.valid === false) throw new HomieError('BROKER_SETTINGS.tlsFiles');
  const options: Record<string, unknown> = {};
  node.addTLSOptions(options);
  return pickTlsOptions(options);
}

/** Returns those of the options of node:tls that a connection uses. */
export function pickTlsOptions(options: Readonly<Record<string, unknown>>): TlsOptions {
  const { ca, cert, key, passphrase, servername, rejectUnauthorized, ALPNProtocols } = options;
  return {
    ...(isPem(ca) && { ca }),
    ...(isPem(cert) && { cert }),
    ...(isPem(key) && { key }),
    ...(typeof passphrase === 'string' && { passphrase }),
    ...(typeof servername === 'string' && servername !== '' && { servername }),
    ...(typeof rejectUnauthorized === 'boolean' && { rejectUnauthorized }),
    ...(isTextList(ALPNProtocols) && { alpnProtocols: ALPNProtocols }),
  };
}

function isTlsConfig(node: unknown): node is { valid?: unknown; addTLSOptions(options: object): unknown } {
  return (
    typeof node === 'object' && node !== null && 'addTLSOptions' in node && typeof node.addTLSOptions === 'function'
  );
}

function isPem(value: unknown): value is string | Buffer {
  return Buffer.isBuffer(value) || (typeof value === 'string' && value !== '');
}

function isTextList(value: unknown): value is string[] {
  return Array.isArray(value) && value.every((entry) => typeof entry === 'string');
}
