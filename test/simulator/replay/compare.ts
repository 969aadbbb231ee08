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

/** Milliseconds within which two publishes count as one directly behind the other. */
const AT_ONCE = 50;

/**
 * Compares what the simulator did with what the real firmware did.
 * @param observed checksums there are those of the recording where the image is one of it
 * @returns how they differ, a sentence each; nothing when they do not
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
 * Some recordings were stripped of the configurations. And between many patches whoever made the recording also put files
 * in place that are not in it; only where the patches have names it was always the first one.
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
 * The image that has another one directly behind it. Whether that one had reached the flash when the device rebooted
 * is a matter of a few hundred bytes in TCP: in the recordings the same two images end both ways.
 */
function overtakenImage(recording: Recording): string | undefined {
  const steps = publishes(recording).filter(({ publish }) => /\/[0-9a-fA-F]{32}$/.test(publish));
  const first = steps.find((step, i) => (steps[i + 1]?.t ?? Infinity) - step.t < AT_ONCE);
  return first?.payload?.image?.md5;
}

/**
 * Whether a base64 payload starts its second segment in the middle of a group of four. Which refusal comes of it
 * depends on what is on the device's stack.
 */
function hasBadPhase(recording: Recording): boolean {
  const at = recording.input.device_args.indexOf('--chunk');
  const segment = at < 0 ? 1460 : Number(recording.input.device_args[at + 1]);
  return publishes(recording).some((step) => {
    const first = segment - headerLength(step);
    return step.payload?.encoding === 'base64' && (step.bytes ?? 0) > first && [1, 2].includes(first % 4);
  });
}

/** Bytes before the payload of a PUBLISH: MQTT 3.1.1, 3.3. The device subscribes at QoS 1. */
function headerLength({ publish, qos, bytes = 0 }: PublishStep): number {
  const variable = 2 + Buffer.byteLength(publish) + (qos > 0 ? 2 : 0);
  const digits = [128, 128 ** 2, 128 ** 3].filter((limit) => variable + bytes >= limit).length + 1;
  return 1 + digits + variable;
}
