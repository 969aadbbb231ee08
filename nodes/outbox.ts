import type { NodeMessage } from 'node-red';

/** The outputs of a node, in their order. */
export type Output = 'result' | 'progress' | 'summary';

const outputs: readonly Output[] = ['result', 'progress', 'summary'];

/** More than this of text is taken for a firmware in base64 or a patch, should a property hold the same as the payload. */
const SHORT_TEXT = 256;

/**
 * What answers one message. Each answer keeps the properties of the message but for the firmware or patch, which is
 * never copied nor sent on.
 */
export class Outbox {
  /** What each answer has of the message. */
  readonly kept: NodeMessage;
  readonly #clone: (msg: NodeMessage) => NodeMessage;
  readonly #send: (messages: (NodeMessage | null)[]) => void;

  constructor(
    msg: NodeMessage,
    clone: (msg: NodeMessage) => NodeMessage,
    send: (messages: (NodeMessage | null)[]) => void,
  ) {
    this.kept = clone(withoutPayload(msg));
    this.#clone = clone;
    this.#send = send;
  }

  /** @param payload plain data; the flow gets a copy, so that it may change it */
  send(output: Output, payload: unknown): void {
    const message = { ...this.#clone(this.kept), payload: structuredClone(payload) };
    this.#send(outputs.map((candidate) => (candidate === output ? message : null)));
  }
}

/** A message without its payload, also where another property holds the same. */
export function withoutPayload({ payload, ...rest }: NodeMessage): NodeMessage {
  const isPayload = (value: unknown): boolean =>
    value === payload && (typeof value === 'object' || (typeof value === 'string' && value.length > SHORT_TEXT));
  return Object.fromEntries(Object.entries(rest).filter(([, value]) => value === null || !isPayload(value)));
}
