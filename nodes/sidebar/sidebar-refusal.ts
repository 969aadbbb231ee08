import { asHomieError, HomieError } from '../../src/errors';
import { isAbort } from '../../src/unless-aborted';

/** Why the sidebar is refused something that has nothing to do with firmware or devices. */
const reasons = {
  malformed: [400, 'The request is invalid.', 'Reload the editor.'],
  unstaged: [404, 'This upload is no longer available.', 'Upload the file again.'],
  undeployed: [404, 'This homie-broker is not deployed.', 'Deploy it, or choose another one.'],
  changed: [409, 'The update may differ from what was shown.', 'Check the devices again, then confirm.'],
  nothing: [409, 'No device would be updated.', 'Choose other devices.'],
  busy: [429, 'Too many files are being uploaded.', 'Try again in 30 seconds: stalled uploads end by then.'],
} as const satisfies Record<string, readonly [status: number, message: string, hint: string]>;

/** A request that is refused. */
export class SidebarRefusal extends Error {
  readonly reason: keyof typeof reasons;

  constructor(reason: keyof typeof reasons) {
    super(reasons[reason][1]);
    this.reason = reason;
  }
}

/** How a failed request is answered. */
export interface Refusal {
  /** Of HTTP. */
  readonly status: number;
  readonly body: { readonly code: string; readonly message: string; readonly hint: string };
}

export function refusalOf(error: unknown): Refusal {
  // The homie-broker was closed by a deploy meanwhile.
  if (isAbort(error)) return refusalOf(new SidebarRefusal('changed'));
  if (error instanceof SidebarRefusal) {
    const [status, message, hint] = reasons[error.reason];
    return { status, body: { code: error.reason, message, hint } };
  }
  const { code, message, hint } = asHomieError(error);
  return { status: statusOf(code), body: { code, message, hint } };
}

function statusOf(code: HomieError['code']): number {
  if (code === 'FIRMWARE_TOO_LARGE') return 413;
  return code === 'UNEXPECTED' ? 500 : 400;
}
