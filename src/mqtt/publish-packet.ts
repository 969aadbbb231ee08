import { HomieError } from '../errors';
import type { ConnectionStatus } from './connection';

/**
 * Returns the error for the reason code of a PUBACK (MQTT 5, section 3.4.2.1); CONNECTION_LOST for any other error of a
 * publish.
 */
export function publishError(code: unknown): HomieError {
  if (code === 135) return new HomieError('PUBLISH_DENIED');
  if (code === 149) return new HomieError('PACKET_TOO_LARGE');
  return typeof code === 'number' && code >= 128
    ? new HomieError('PUBLISH_REFUSED.code', { code })
    : new HomieError('CONNECTION_LOST');
}

/** Returns the reason code of the PUBACK for this packet id, if these bytes contain it (MQTT 5, section 3.4). */
export function pubackCode(bytes: Buffer, id: number): number | undefined {
  for (let at = bytes.indexOf(0x40); at !== -1 && at + 5 <= bytes.length; at = bytes.indexOf(0x40, at + 1)) {
    const length = bytes.readUInt8(at + 1);
    if ((length === 3 || length === 4) && bytes.readUInt16BE(at + 2) === id) return bytes.readUInt8(at + 4);
  }
  return undefined;
}

/**
 * Returns PACKET_TOO_LARGE if the broker has announced a limit below the size of this message with QoS 1; undefined if
 * the message fits, no limit is known, or there is no connection.
 *
 * @param length of the payload, in bytes
 */
export function refuseLarge(status: ConnectionStatus, topic: string, length: number): HomieError | undefined {
  if (status.state !== 'connected' || status.maximumPacketSize === undefined) return undefined;
  const limit = status.maximumPacketSize;
  const size = packetSize(topic, length, 1, status.protocolVersion);
  return size > limit ? new HomieError('PACKET_TOO_LARGE.limit', { limit, size }) : undefined;
}

/**
 * Returns the size of a PUBLISH in bytes (MQTT 5, section 3.3).
 *
 * @param length of the payload, in bytes
 */
export function packetSize(topic: string, length: number, qos: 0 | 1, protocolVersion: 4 | 5): number {
  const properties = protocolVersion === 5 ? 1 : 0;
  const rest = 2 + Buffer.byteLength(topic) + (qos > 0 ? 2 : 0) + properties + length;
  const lengthBytes = rest < 128 ? 1 : rest < 16_384 ? 2 : rest < 2_097_152 ? 3 : 4;
  return 1 + lengthBytes + rest;
}
