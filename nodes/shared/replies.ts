import type { NodeMessage } from 'node-red';
import { sentenceOf } from '../../src/update/sentence';
import type { Summary, Update } from '../../src/update/update';
import type { Idle } from '../../src/rollout/summaries';

/** The outputs of a node, in their order. */
export type Output = 'result' | 'progress' | 'summary';

const outputs: readonly Output[] = ['result', 'progress', 'summary'];

/** The payload of an answer: an update, or anything else with a sentence for people. */
export type Told =
  Update | Summary | Idle | { readonly text: string; readonly devices?: readonly { readonly text: string }[] };

/**
 * Maximum length of a payload that another property may repeat, in characters. A longer one is taken for firmware in
 * base64 or a patch.
 */
const SHORT_TEXT = 256;

/**
 * What a message requests of a node. Another node that gets the answer would take these properties as its own request.
 */
const consumed: ReadonlySet<string> = new Set(['action', 'checksum', 'job', 'options']);

/** The number of a summary among those that answer one message, in the form that the join node reads. */
export interface Part {
  readonly id: string;
  readonly index: number;
  readonly count: number;
}

/** The property for the part in a stored message. */
const PART = 'homie-ota part';

/**
 * Sends the answers to one message. Each answer keeps the properties of the message, except for those that were
 * consumed, and for the firmware or patch, which is never copied or sent on. An answer about one device has its id as
 * `device` and `topic`.
 */
export class Replies {
  /** The properties to store, so that a later node can continue with the message. */
  readonly kept: NodeMessage;
  readonly #message: NodeMessage;
  readonly #part: unknown;
  readonly #clone: (msg: NodeMessage) => NodeMessage;
  readonly #send: (messages: (NodeMessage | null)[]) => void;

  constructor(
    msg: NodeMessage,
    clone: (msg: NodeMessage) => NodeMessage,
    send: (messages: (NodeMessage | null)[]) => void,
  ) {
    this.kept = clone(keptProperties(msg));
    const { [PART]: part, ...message }: Record<string, unknown> = { ...this.kept };
    this.#message = message;
    this.#part = part;
    this.#clone = clone;
    this.#send = send;
  }

  /** Returns the replies that answer the same message with one of several summaries. */
  part(part: Part): Replies {
    return new Replies({ ...this.#message, [PART]: part }, this.#clone, this.#send);
  }

  /** @param payload plain data; the flow gets a copy, so that it may change it, with a sentence about each device */
  send(output: Output, payload: Told): void {
    const copy = structuredClone(inSentences(payload));
    const parts = output === 'summary' && this.#part !== undefined ? { parts: this.#part } : {};
    const message = { ...this.#clone(this.#message), ...deviceOf(payload), ...parts, payload: copy };
    this.#send(outputs.map((candidate) => (candidate === output ? message : null)));
  }
}

/** Adds sentences only to what is sent: during a rollout, a job makes thousands of updates for internal use. */
function inSentences(payload: Told): object {
  if (!('devices' in payload) || payload.devices === undefined) return withText(payload);
  return { ...payload, devices: payload.devices.map(withText) };
}

function withText(told: Update | { readonly text: string }): { readonly text: string } {
  return 'text' in told ? told : { ...told, text: sentenceOf(told) };
}

/** Returns `device` and `topic` for a message if its payload is about a single device. */
export function deviceOf(payload: unknown): { device?: string; topic?: string } {
  const { device }: { device?: unknown } = Object(payload);
  return typeof device === 'string' ? { device, topic: device } : {};
}

/**
 * Returns the properties of a message that its answers keep: without those that were consumed, the payload, and any
 * other property with the same value as the payload.
 */
export function keptProperties({ payload, ...rest }: NodeMessage): NodeMessage {
  const isPayload = (value: unknown): boolean =>
    value === payload && (typeof value === 'object' || (typeof value === 'string' && value.length > SHORT_TEXT));
  return Object.fromEntries(
    Object.entries(rest).filter(([name, value]) => !consumed.has(name) && (value === null || !isPayload(value))),
  );
}
