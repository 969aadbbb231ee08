/** How large the file and what is published of it may become: the device accepts more, and is lost then. */
import { NO_SECRETS } from './budget';
import {
  baseTopicOf,
  deviceIdOf,
  fileBytes,
  fileMembers,
  hiddenBytes,
  MAX_FILE,
  MAX_MEMBERS,
  published,
  withoutUncertain,
  type DeviceFile,
} from './file';
import type { Surroundings } from './harms';
import { jsonBytes } from './json';
import { problem, type Problem } from './problem';

/** A file that the device would write and then not start with, or not publish. */
export function harmfulSize(before: DeviceFile, after: DeviceFile, { mac, segment = 536 }: Surroundings): Problem[] {
  const problems: Problem[] = [];
  const tooLarge = (message: string, hint?: string): void =>
    void problems.push(problem('CONFIG_TOO_LARGE', [], message, hint));
  const [bytes, secrets] = [fileBytes(after), hiddenBytes(after)];
  if (bytes > MAX_FILE) {
    const most = secrets > 0 ? `, with up to ${secrets} for the secrets that are not published` : '';
    tooLarge(
      `The file would have ${bytes} bytes${most}; the device starts with ${MAX_FILE} at most.`,
      secrets > 0
        ? 'Shorten it, or set secretBytes to the bytes that the values of these secrets have together, 0 if there are none.'
        : undefined,
    );
  }
  const members = fileMembers(after);
  if (members > MAX_MEMBERS) {
    tooLarge(
      `The file would have ${members} members; the device starts with ${MAX_MEMBERS} at most.`,
      fileMembers(withoutUncertain(after)) > MAX_MEMBERS ? undefined : NO_SECRETS,
    );
  }
  const buffer = 2 * segment;
  const packet = publishBytes(after, mac);
  // Where it has been too long before and was published all the same, this device has no such limit.
  if (packet > buffer && publishBytes(before, mac) <= buffer) {
    problems.push(
      problem(
        'CONFIG_UNPUBLISHABLE',
        [],
        `Publishing the configuration would take ${packet} bytes; the send buffer may have ${buffer}.`,
      ),
    );
  }
  return problems;
}

/** Bytes of the firmware topic's part before the MD5 that a device can still receive, base topic and id together. */
export const MAX_TOPIC_PREFIX = 67;

/** Bytes of base topic and device id together. */
export function topicPrefixBytes({ content }: DeviceFile, mac: string | undefined): number {
  return Buffer.byteLength(baseTopicOf(content) ?? '') + Buffer.byteLength(deviceIdOf(content, mac) ?? '0'.repeat(12));
}

/** The MQTT packet: 7 bytes of header, the topic and the text (seen on homie-esp8266 ba452ea with AsyncMqttClient 0.8.2). */
function publishBytes(file: DeviceFile, mac: string | undefined): number {
  return 7 + topicPrefixBytes(file, mac) + '/$implementation/config'.length + jsonBytes(published(file));
}
