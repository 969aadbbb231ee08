import { HomieError } from '../errors';
import { isDeviceId, MAX_ID } from './device-id';
import { topicReaders } from './values';

/** The longest topic that a device receives, in bytes (seen on homie-esp8266 ba452ea: longer ones never reach it). */
const MAX_TOPIC = 129;

/**
 * The base topic as it is put before device ids: surrounding white space removed, a trailing slash supplied.
 *
 * @param shown what an error shows in its place
 * @throws {HomieError} INVALID_BASE_TOPIC when it is empty, holds `+`, `#` or a control character, begins with `$`, or
 * leaves no room for a device
 */
export function normalizeBaseTopic(text: string, shown = text): string {
  const trimmed = text.trim();
  const topic = trimmed.endsWith('/') ? trimmed : `${trimmed}/`;
  if (trimmed === '' || /[+#\p{Cc}\p{Cs}]|^\$/u.test(topic)) {
    throw new HomieError('INVALID_BASE_TOPIC.topic', { topic: JSON.stringify(shown) });
  }
  if (Buffer.byteLength(topic) >= MAX_TOPIC) throw new HomieError('INVALID_BASE_TOPIC.tooLong');
  return topic;
}

/**
 * @returns the id, unchanged
 * @throws {HomieError} INVALID_DEVICE_ID when it is none by `isDeviceId`
 */
export function checkDeviceId(id: string): string {
  if (isDeviceId(id)) return id;
  throw new HomieError('INVALID_DEVICE_ID.id', { id: JSON.stringify(id.slice(0, MAX_ID)) });
}

/**
 * Where the firmware of this MD5 is published for a device (homie-esp8266 BootNormal.cpp, `__handleOTAUpdates`).
 *
 * @param base the base topic with its trailing slash
 * @throws {HomieError} TOPIC_TOO_LONG when the device could not receive it
 */
export function firmwareTopic(base: string, id: string, md5: string): string {
  const topic = `${base}${id}/$implementation/ota/firmware/${md5}`;
  const length = Buffer.byteLength(topic);
  if (length <= MAX_TOPIC) return topic;
  throw new HomieError('TOPIC_TOO_LONG.length', { id, length, limit: MAX_TOPIC });
}

/**
 * The topic filters to follow all devices under a base topic, or one of them.
 *
 * @param base the base topic with its trailing slash
 */
export function subscriptions(base: string, id = '+'): string[] {
  return [...topicReaders.keys()].map((topic) => `${base}${id}/${topic}`);
}
