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

/** Codes after which the same call may succeed later without any change. */
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
  /** The sentence, if it comes from elsewhere; in English. */
  message?: string;
  /** The hint, if it comes from elsewhere; in English. */
  hint?: string;
  /** The status of the device as received, for instance `500 INTERNAL_ERROR 8`. */
  status?: string;
  /** The phase of the job in which the error happened. */
  phase?: string;
  cause?: unknown;
}

/** The longest sentence or hint, in characters: it may name many devices, or quote what somebody has published. */
const MAX_MESSAGE = 2000;

/**
 * An error with a stable code, a sentence for people, and a hint that says what to do, in English. `key` and `values`
 * give the same in other languages. `message` never contains a secret. `message`, `hint` and `status` are one line of
 * plain text.
 */
export class HomieError extends Error {
  override readonly name = 'HomieError';
  readonly code: ErrorCode;
  /** The text that is used: the code itself, or the code with a variant. */
  readonly key: ErrorKey;
  /** The values in the sentence and the hint. */
  readonly values: Values;
  readonly hint: string;
  readonly retryable: boolean;
  readonly status: string | undefined;
  readonly phase: string | undefined;

  /**
   * @param key a code of src/texts, or one of its variants, such as `NOT_CLEARED.tooMany`
   * @param values the values for its sentence and hint
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

  /** The sentence, as a value for another text. */
  get text(): Value {
    return saysOf(this)[0];
  }

  /** The hint, as a value for another text. */
  get advice(): Value {
    return saysOf(this)[1];
  }

  /** Returns the sentence alone: Node-RED passes this text to catch nodes and to the log. */
  override toString(): string {
    return this.message;
  }
}

/** The parts of an error that people read. */
interface Said {
  readonly code: ErrorCode;
  /** The default is the code itself. */
  readonly key?: ErrorKey;
  readonly values?: Values;
  readonly message: string;
  readonly hint: string;
}

/** Returns the sentence and the hint as texts for any language; in English if they came from elsewhere. */
export function saysOf({ code, key = code, values = {}, message, hint }: Said): readonly [Value, Value] {
  return [asText(message, textOf(key, 'text', values)), asText(hint, textOf(key, 'hint', values))];
}

function asText(english: string, text: Text): Value {
  return plainText(inEnglish(text), MAX_MESSAGE) === english ? text : english;
}

/** Returns anything that was thrown as a HomieError: a TimeoutError as NOT_CONNECTED, other errors as UNEXPECTED. */
export function asHomieError(error: unknown): HomieError {
  if (error instanceof HomieError) return error;
  const isTimeout = error instanceof DOMException && error.name === 'TimeoutError';
  return new HomieError(isTimeout ? 'NOT_CONNECTED' : 'UNEXPECTED', undefined, { cause: error });
}
