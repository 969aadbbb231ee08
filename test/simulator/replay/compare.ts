import {
  type ImageFacts,
  isConfigSet,
  isFirmware,
  isPublish,
  publishesOf,
  type PublishStep,
  type Recording,
} from './recording';
import type { Script } from './script';
import type { Kind, Sequences } from './sequences';

/** Milliseconds within which one publish counts as directly behind another. */
const AT_ONCE = 50;

/**
 * Compares what the simulator did with what the real firmware did.
 * @param observed with the checksums of the recording for its images
 * @returns a sentence for each difference
 */
export function compare(recording: Recording, script: Script, observed: Sequences): string[] {
  const known = new Set([recording.input.firmware.md5, ...images(recording).map(({ md5 }) => md5)]);
  const kinds: Kind[] = [
    'states',
    'statuses',
    'checksums',
    ...(knowsFiles(recording, script.expected) ? (['configs'] as const) : []),
  ];
  return kinds.flatMap((kind) => {
    const normal = (value: string) => normalize(recording, known, kind, value);
    const expected = script.expected[kind].map(normal);
    const seen = observed[kind].map(normal);
    const compared = script.cut ? seen.slice(0, expected.length) : seen;
    if (expected.join() === compared.join()) return [];
    return [`${kind} are ${list(seen)} instead of ${list(expected)}`];
  });
}

/**
 * Returns whether the configurations can be compared. Some recordings do not contain them. Between many patches, other
 * files were put on the device that the recording does not contain; only where the patches have names, it was always
 * the first file.
 */
function knowsFiles(recording: Recording, { configs }: Sequences): boolean {
  const patches = publishesOf(recording).filter(({ publish }) => isConfigSet(publish));
  return configs.length > 0 && (recording.input.patches !== undefined || patches.length <= 10);
}

const list = (values: readonly string[]) => (values.length === 0 ? 'none' : values.join(', '));

function normalize(recording: Recording, known: ReadonlySet<string>, kind: Kind, value: string): string {
  if (kind === 'checksums') {
    const image = known.has(value) ? value : 'another image';
    const overtaken = overtakenImage(recording);
    return overtaken !== undefined && (image === overtaken || image === 'another image')
      ? `${overtaken} or another image`
      : image;
  }
  const refused = value === '400 BAD_FIRMWARE' || value === '400 BAD_CHECKSUM';
  return kind === 'statuses' && refused && hasBadPhase(recording) ? '400 BAD_FIRMWARE or BAD_CHECKSUM' : value;
}

const publishes = ({ input }: Recording) => input.steps.filter(isPublish).filter(isFirmware);

function images(recording: Recording): ImageFacts[] {
  return publishes(recording).flatMap(({ payload }) => (payload?.image ? [payload.image] : []));
}

/**
 * Returns the MD5 of the first image that has another one directly behind it. A few hundred bytes in TCP decide whether
 * the second image reaches the flash before the reboot: the recordings of the same two images show both results.
 */
function overtakenImage(recording: Recording): string | undefined {
  const steps = publishes(recording).filter(({ publish }) => /\/[0-9a-fA-F]{32}$/.test(publish));
  const first = steps.find((step, i) => (steps[i + 1]?.t ?? Infinity) - step.t < AT_ONCE);
  return first?.payload?.image?.md5;
}

/**
 * Returns whether the second segment of a base64 payload starts in the middle of a group of four. The content of the
 * device's stack decides which refusal follows.
 */
function hasBadPhase(recording: Recording): boolean {
  const at = recording.input.device_args.indexOf('--chunk');
  const segment = at < 0 ? 1460 : Number(recording.input.device_args[at + 1]);
  return publishes(recording).some((step) => {
    const first = segment - headerLength(step);
    return step.payload?.encoding === 'base64' && (step.bytes ?? 0) > first && [1, 2].includes(first % 4);
  });
}

/** Returns the bytes before the payload of a PUBLISH (MQTT 3.1.1, 3.3). The device subscribes at QoS 1. */
function headerLength({ publish, qos, bytes = 0 }: PublishStep): number {
  const variable = 2 + Buffer.byteLength(publish) + (qos > 0 ? 2 : 0);
  const digits = [128, 128 ** 2, 128 ** 3].filter((limit) => variable + bytes >= limit).length + 1;
  return 1 + digits + variable;
}
