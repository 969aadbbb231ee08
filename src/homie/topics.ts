import { HomieError } from '../errors';
import { isDeviceId, MAX_ID } from './device-id';
import { DESCRIPTION, topicReaders } from './values';

/** The longest topic that a device receives, in bytes (seen on homie-esp8266 ba452ea: longer topics never reach it). */
const MAX_TOPIC = 129;

/** The length of an MD5 in hexadecimal digits. */
const MD5 = 32;

/**
 * Returns the base topic as a prefix of device ids: without surrounding white space, and with a trailing slash.
 *
 * @param shown what an error shows instead of the text
 * @throws {HomieError} INVALID_BASE_TOPIC: it is empty, contains `+`, `#`, a control character or half of a surrogate
 *   pair, starts with `$`, or leaves no room for a device
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
 * Returns the id unchanged if it is valid.
 *
 * @throws {HomieError} INVALID_DEVICE_ID: it is not valid by `isDeviceId`
 */
export function checkDeviceId(id: string): string {
  if (isDeviceId(id)) return id;
  throw new HomieError('INVALID_DEVICE_ID.id', { id: JSON.stringify(id.slice(0, MAX_ID)) });
}

/**
 * Returns the topic at which an image with this MD5 is published for a device (homie-esp8266 BootNormal.cpp,
 * `__handleOTAUpdates`).
 *
 * @param base the base topic with its trailing slash
 * @param limit the longest topic that the device receives, in bytes
 * @throws {HomieError} TOPIC_TOO_LONG: the device could not receive it
 */
export function firmwareTopic(base: string, id: string, md5: string, limit = MAX_TOPIC): string {
  const topic = `${base}${id}/$implementation/ota/firmware/${md5}`;
  const length = Buffer.byteLength(topic);
  if (length <= limit) return topic;
  const most = limit - Buffer.byteLength('/$implementation/ota/firmware/') - MD5;
  throw new HomieError('TOPIC_TOO_LONG.length', { id, length, limit, most });
}

/** The last level of the base topics of convention 5, which the fork puts behind the base topic of its configuration. */
export const CONVENTION_5 = '5/';

/**
 * Returns the topic filters for all devices under a base topic, or for one of them. An ACL for other conventions need not
 * know the topic of convention 5.
 *
 * @param base the base topic with its trailing slash
 */
export function subscriptions(base: string, id = '+'): string[] {
  const names = [...topicReaders.keys()].filter((name) => name !== DESCRIPTION || base.endsWith(`/${CONVENTION_5}`));
  return names.map((name) => `${base}${id}/${name}`);
}
