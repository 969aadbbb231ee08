import { HomieError } from '../errors';
import { packetSize } from '../mqtt/publish-packet';

/** A firmware publish as it goes over the wire. */
export interface Encoded {
  readonly payload: Buffer;
  readonly qos: 0 | 1;
}

/** TCP segment sizes in bytes of the two lwIP variants of the ESP8266 core: the default and "low memory". */
const SEGMENT_SIZES = [1460, 536] as const;

/**
 * Returns the payload and the QoS with which an image is published. At QoS 1, the acknowledgement proves that the broker
 * has it.
 *
 * @param topic the firmware topic
 * @throws {HomieError} BASE64_IMPOSSIBLE: as for `asBase64`
 */
export function encode(image: Buffer, encoding: 'binary' | 'base64', topic: string): Encoded {
  return encoding === 'binary' ? { payload: image, qos: 1 } : asBase64(image, topic);
}

/** Returns the length of the payload for an image of `size` bytes, in bytes. */
export function encodedLength(size: number, encoding: 'binary' | 'base64'): number {
  return encoding === 'binary' ? size : 4 * Math.ceil(size / 3);
}

/**
 * Returns the image as base64, with the QoS at which the device can decode it.
 *
 * The firmware decodes each TCP segment in place, which works only if the number of payload bytes in the first segment
 * is 0 or 3 modulo 4 (seen on homie-esp8266 ba452ea, BootNormal.cpp `__handleOTAUpdates`). At QoS 1, the header before
 * the payload is two bytes longer, for the packet identifier, so one of the two always fits. The device never answers a
 * last segment that holds only padding.
 *
 * @param topic the firmware topic
 * @throws {HomieError} BASE64_IMPOSSIBLE: the last segment would hold only padding
 */
function asBase64(image: Buffer, topic: string): Encoded {
  const payload = Buffer.from(image.toString('base64'), 'latin1');
  // The device speaks MQTT 3.1.1.
  const size = (at: 0 | 1): number => packetSize(topic, payload.length, at, 4);
  const qos = ([0, 1] as const).find((candidate) => {
    const header = size(candidate) - payload.length;
    const phase = (4 - (header % 4)) % 4;
    return phase === 0 || phase === 3;
  });
  if (qos === undefined) throw new HomieError('BASE64_IMPOSSIBLE');
  const padding = payload.length - (payload.indexOf('=') === -1 ? payload.length : payload.indexOf('='));
  for (const segment of SEGMENT_SIZES) {
    const last = size(qos) % segment;
    if (last > 0 && last <= padding) throw new HomieError('BASE64_IMPOSSIBLE');
  }
  return { payload, qos };
}
