import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';

/** What a recording says about an image whose bytes it does not contain. */
export interface ImageFacts {
  /** MD5, lower case. */
  readonly md5: string;
  /** Bytes. */
  readonly length: number;
  /** The first bytes (at most 8) as hex. */
  readonly head: string;
  /** False if the MD5 in the topic belongs to another image. */
  readonly matchesTopic?: boolean;
  /** Offsets of the bytes that differ from the image that the MD5 in the topic belongs to. */
  readonly differsAt?: readonly number[];
}

/** How an image was encoded in a payload. */
export interface PayloadFacts {
  readonly encoding: 'binary' | 'base64' | 'gzip' | 'base64 of gzip' | 'empty' | 'other';
  readonly lineLength?: number;
  readonly trailingNewline?: boolean;
  readonly image?: ImageFacts;
}

export interface PublishStep {
  /** Milliseconds. */
  readonly t: number;
  readonly publish: string;
  readonly qos: 0 | 1 | 2;
  readonly retain: boolean;
  readonly text?: string;
  readonly hex?: string;
  /** Length of the payload. */
  readonly bytes?: number;
  readonly payload?: PayloadFacts;
}

type Step = PublishStep | { readonly t: number; readonly step: string };

export interface RecordedMessage {
  readonly t: number;
  readonly topic: string;
  /** Text, or the relevant facts about other bytes. */
  readonly payload: unknown;
}

/** A recorded exchange with the real firmware. */
export interface Recording {
  readonly scenario: string;
  readonly input: {
    readonly variant: string;
    readonly device_args: readonly string[];
    /** The text of config.json. */
    readonly config: string;
    readonly firmware: ImageFacts;
    readonly steps: readonly Step[];
    /** Names of the patches in `steps`. */
    readonly patches?: Readonly<Record<string, string>>;
  };
  readonly messages: readonly RecordedMessage[];
}

/** Reads every `.json` file of the directory, sorted by name. */
export function readRecordings(directory: string): Recording[] {
  return readdirSync(directory)
    .filter((name) => name.endsWith('.json'))
    .sort()
    .map((name) => {
      const recording: Recording = JSON.parse(readFileSync(join(directory, name), 'utf8'));
      return recording;
    });
}

export const isPublish = (step: Step): step is PublishStep => 'publish' in step;
export const isFirmware = (step: PublishStep) => step.publish.includes('/$implementation/ota/firmware/');
export const isConfigSet = (topic: string) => topic.endsWith('/$implementation/config/set');

/** Returns why the recording cannot be replayed from its input, or undefined if it can. */
export function whyNotReplayed({ input }: Recording): string | undefined {
  const script = input.steps.find((step) => !isPublish(step) && !['device ready', 'not started'].includes(step.step));
  if (script && !isPublish(script)) return `${script.step} published what is not in the steps`;
  const publishes = input.steps.filter(isPublish);
  if (publishes.some(({ text, hex, payload }) => text === undefined && hex === undefined && payload === undefined)) {
    return 'a payload that is not described';
  }
  return undefined;
}

/** Returns what was published to the device, in order: the steps, and patches that only the messages show. */
export function publishesOf({ input, messages }: Recording): PublishStep[] {
  const steps = input.steps.filter(isPublish);
  const patches = messages.flatMap(({ t, topic, payload }): PublishStep[] => {
    const inSteps = steps.some(({ publish, text }) => publish === topic && text === payload);
    if (!isConfigSet(topic) || inSteps || typeof payload !== 'string' || payload === '') return [];
    return [{ t, publish: topic, qos: 0, retain: false, text: payload }];
  });
  return [...steps, ...patches].sort((a, b) => a.t - b.t);
}
