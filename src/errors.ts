import { plainText } from './plain-text';
import {
  codeOf,
  inEnglish,
  textOf,
  type ErrorCode,
  type ErrorKey,
  type Text,
  type Value,
  type Values,
} from './texts/text';

export type { ErrorCode } from './texts/text';

/** After these, the same call may work later without anything being changed. */
const retryable: ReadonlySet<ErrorCode> = new Set<ErrorCode>([
  'DEVICE_BUSY',
  'REBOOT_PENDING',
  'CONFIG_UNKNOWN',
  'NOT_RECEIVED',
  'BROKER_UNREACHABLE',
  'NOT_CONNECTED',
  'STILL_RECEIVING',
  'PUBLISH_TIMEOUT',
  'CONNECTION_LOST',
  'DEVICE_OFFLINE',
  'DEVICE_UNKNOWN',
  'NOT_ACCEPTED',
  'STALLED',
  'LOST_IN_TRANSFER',
  'ANOTHER_UPDATER',
  'UNCONFIRMED',
  'UPDATER_STUCK',
  'WINDOW_CLOSED',
  'USER_DIR_IN_USE',
  'ABANDONED',
  'SOURCE_UNREACHABLE',
  'SOURCE_TIMEOUT',
  'SOURCE_RATE_LIMIT',
  'SOURCE_UNAVAILABLE',
  'DOWNLOAD_TRUNCATED',
  'BAD_CHECKSUM',
  'FLASH_ERROR',
  'INTERNAL_ERROR',
  'TRANSFER_REFUSED',
  'DEVICE_TIMEOUT',
  'DEVICE_OUT_OF_MEMORY',
  'DEVICE_UPDATE_BUSY',
  'DEVICE_REBOOT_PENDING',
]);

export interface HomieErrorOptions {
  /** The sentence, where it comes from elsewhere; in English. */
  message?: string;
  /** What to do about it, where that comes from elsewhere; in English. */
  hint?: string;
  /** The status text of the device as it came, for instance `500 INTERNAL_ERROR 8`. */
  status?: string;
  /** The phase of the job in which it happened. */
  phase?: string;
  cause?: unknown;
}

/** The longest sentence, in characters: it may name many devices, or what somebody has published. */
const MAX_MESSAGE = 2000;

/**
 * An error with a stable code, a sentence for people, and a hint that says what to do, in English; `key` and `values` say the
 * same in other languages. `message` never holds a secret. It is one line of plain text, and so are `hint` and `status`.
 */
export class HomieError extends Error {
  override readonly name = 'HomieError';
  readonly code: ErrorCode;
  /** Which text of the code: the code itself, or the code and a variant of it. */
  readonly key: ErrorKey;
  /** What is put into the text and the hint. */
  readonly values: Values;
  readonly hint: string;
  readonly retryable: boolean;
  readonly status: string | undefined;
  readonly phase: string | undefined;

  /**
   * @param key a code of src/texts, or one of its variants: `NOT_CLEARED.tooMany`
   * @param values what is put into its text and hint
   */
  constructor(key: ErrorKey, values: Values = {}, options: HomieErrorOptions = {}) {
    const text = textOf(key, 'text', values);
    const sentence = plainText(options.message ?? inEnglish(text), MAX_MESSAGE);
    super(sentence, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = codeOf(key);
    this.key = key;
    this.values = text.values;
    this.hint = plainText(options.hint ?? inEnglish(textOf(key, 'hint', values)), MAX_MESSAGE);
    this.retryable = retryable.has(this.code);
    this.status = options.status === undefined ? undefined : plainText(options.status);
    this.phase = options.phase;
  }

  /** The sentence, to be put into another text. */
  get text(): Value {
    return saysOf(this)[0];
  }

  /** The hint, to be put into another text. */
  get advice(): Value {
    return saysOf(this)[1];
  }

  /** Returns the sentence alone: Node-RED gives this text to catch nodes and to the log. */
  override toString(): string {
    return this.message;
  }
}

/** What tells an error to people. */
interface Said {
  readonly code: ErrorCode;
  /** The code itself where it is left out. */
  readonly key?: ErrorKey;
  readonly values?: Values;
  readonly message: string;
  readonly hint: string;
}

/** Returns the sentence and the hint as texts for the language of the editor; in English where they came from elsewhere. */
export function saysOf({ code, key = code, values = {}, message, hint }: Said): readonly [Value, Value] {
  return [asText(message, textOf(key, 'text', values)), asText(hint, textOf(key, 'hint', values))];
}

function asText(english: string, text: Text): Value {
  return plainText(inEnglish(text), MAX_MESSAGE) === english ? text : english;
}

/** Anything that was thrown, as an error of ours: a TimeoutError as NOT_CONNECTED, all else as UNEXPECTED. */
export function asHomieError(error: unknown): HomieError {
  if (error instanceof HomieError) return error;
  const isTimeout = error instanceof DOMException && error.name === 'TimeoutError';
  return new HomieError(isTimeout ? 'NOT_CONNECTED' : 'UNEXPECTED', undefined, { cause: error });
}
