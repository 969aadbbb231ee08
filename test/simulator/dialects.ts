/**
 * The firmwares that a simulated device can run, and how they differ on the wire: Homie for ESP8266 3.0.x, and two
 * versions of the fork that is maintained since (labodj/homie-esp8266). What is said of 4.0.0 was seen on a host build
 * of its OTA code where a test says so; everything else was read in the sources of both.
 */
import { JSON_6_11, JSON_6_21, type Json } from './arduino-json';
import { ForkReceipt } from './fork-ota';
import { type OtaHost, OtaReceipt, type Receipt } from './ota';

export type DialectName = '3' | '3.7' | '4';

/** Convention of the topics. 5 is an option of the fork when it is built. */
export type Convention = 3 | 5;

export interface Dialect {
  /** `$implementation/version`. */
  readonly version: string;
  /** `$stats`. */
  readonly stats: string;
  /** The statistics of each interval, besides the interval itself. */
  readonly statistics: readonly string[];
  /** Seconds that `$stats/interval` is longer than the setting. */
  readonly intervalGrace: number;
  /** Whether the device publishes why it was reset and disconnected. */
  readonly reasons: boolean;
  /** Bytes of the longest topic of the MQTT client, and what it does with a longer one. */
  readonly topics: { readonly limit: number; readonly longer: 'ignored' | 'cut' };
  /** Bytes. A larger message is dropped, if it is not an image. */
  readonly largestMessage: number;
  /** Whether the MQTT client is AsyncMqttClient, with its limits for what it sends. */
  readonly asyncMqttClient: boolean;
  /** Whether a status waits for the loop, and is lost when the next one comes before. */
  readonly statusSlot: boolean;
  /** Milliseconds from a status to a reboot that waits. */
  readonly statusGrace: number;
  readonly json: Json;
  /** Whether `mqtt.ssl` and `mqtt.ssl_fingerprint` are accepted. */
  readonly tls: boolean;
  /** Whether the firmware aborts at boot if base topic, id or firmware name are not those of the convention. */
  readonly strictIds: boolean;
  readonly receipt: (host: OtaHost) => Receipt;
}

const FORK_STATISTICS = [
  'signal',
  'uptime',
  'uptimewifi',
  'uptimemqtt',
  'freeheap',
  'mqttinbounddropped',
  'mqttackdropped',
  'mqttinboundmaxdepth',
  'mqttackmaxdepth',
];

/** BootNormal.cpp of 3.7 and 4.0. */
const FORK = {
  stats: FORK_STATISTICS.join(','),
  statistics: FORK_STATISTICS,
  intervalGrace: 0,
  reasons: true,
  statusSlot: true,
  statusGrace: 1000,
  strictIds: true,
} as const;

export const ORIGINAL: Dialect = {
  version: '3.0.0',
  stats: 'uptime',
  statistics: ['signal', 'uptime', 'freeheap'],
  intervalGrace: 5,
  reasons: false,
  topics: { limit: 129, longer: 'ignored' },
  largestMessage: Infinity,
  asyncMqttClient: true,
  statusSlot: false,
  statusGrace: 0,
  json: JSON_6_11,
  tls: true,
  strictIds: false,
  receipt: (host) => new OtaReceipt(host),
};

export const DIALECTS: Readonly<Record<DialectName, Dialect>> = {
  '3': ORIGINAL,
  // How it reads its configuration is not known. Here it does so like the original.
  '3.7': {
    ...ORIGINAL,
    ...FORK,
    version: '3.7.1',
    receipt: (host) =>
      new OtaReceipt(host, { discardsDrops: true, remembersStaged: true, countsPerUpdate: true, esp32Reasons: true }),
  },
  '4': {
    ...FORK,
    version: '4.0.0',
    topics: { limit: 128, longer: 'cut' },
    largestMessage: 4096,
    asyncMqttClient: false,
    json: JSON_6_21,
    tls: false,
    receipt: (host) => new ForkReceipt(host),
  },
};

/** Returns whether the text may be a level of a topic (ConventionValidation.hpp, isValidTopicId). */
function isLevel(text: string, convention: Convention): boolean {
  if (!/^[a-z0-9-]+$/.test(text)) return false;
  return convention === 5 || !/^-|-$/.test(text);
}

/** Returns whether firmware with strict ids accepts these when it boots (BootNormal.cpp, setup). */
export function accepts(
  ids: { baseTopic: string; deviceId: string; firmware: string },
  convention: Convention,
): boolean {
  const base = ids.baseTopic.replace(convention === 5 ? /(\/5)?\/?$/ : /\/?$/, '');
  return [base, ids.deviceId, ids.firmware].every((text) => isLevel(text, convention));
}

/** Returns what stands before the id in each topic (Helpers.cpp, buildMqttRootTopic). */
export function rootOf(baseTopic: string, convention: Convention): string {
  return convention === 5 ? `${baseTopic.replace(/(\/5)?\/?$/, '')}/5/` : baseTopic;
}
