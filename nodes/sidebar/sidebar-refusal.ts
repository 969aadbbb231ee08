import { asHomieError, saysOf, type ErrorCode } from '../../src/errors';
import { inEnglish, phrase, type Value } from '../../src/texts/text';
import { isAbort } from '../../src/unless-aborted';

/** Reasons to refuse a request that have nothing to do with firmware or devices, with their HTTP status. */
const reasons = { malformed: 400, undeployed: 404, changed: 409, nothing: 409, busy: 429 } as const;

/** A refused request of the sidebar. */
export class SidebarRefusal extends Error {
  readonly reason: keyof typeof reasons;

  constructor(reason: keyof typeof reasons) {
    super(reason);
    this.reason = reason;
  }
}

/** The response to a failed request. */
interface Refusal {
  /** The HTTP status. */
  readonly status: number;
  readonly body: {
    readonly code: string;
    /** In English. */
    readonly message: string;
    /** For the language of the editor. */
    readonly says: readonly Value[];
  };
}

/** Returns the response to a failed request. */
export function refusalOf(error: unknown): Refusal {
  // A deploy has closed the homie-broker in the meantime.
  if (isAbort(error)) return refusalOf(new SidebarRefusal('changed'));
  if (error instanceof SidebarRefusal) {
    return refusal(reasons[error.reason], error.reason, [phrase(`sidebar.${error.reason}`)]);
  }
  const known = asHomieError(error);
  return refusal(statuses[known.code] ?? 400, known.code, saysOf(known));
}

function refusal(status: number, code: string, says: readonly Value[]): Refusal {
  return { status, body: { code, message: says.map(inEnglish).join(' '), says } };
}

/** The HTTP statuses of errors; 400 for all others. */
const statuses: Partial<Record<ErrorCode, number>> = {
  DEVICE_UNKNOWN: 404,
  NOT_ON_OFFER: 404,
  UNKNOWN_JOB: 404,
  FIRMWARE_TOO_LARGE: 413,
  UNEXPECTED: 500,
};
