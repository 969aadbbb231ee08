import { HomieError, type ErrorCode } from '../../src/errors';
import { reportError, type State, type Update } from '../../src/update/update';

/** Returns the update of a device that ended like this, in one attempt. */
export function endedUpdate(device: string, state: State, code?: ErrorCode): Update {
  return {
    job: 'job',
    device,
    state,
    progress: 0,
    written: 0,
    total: 0,
    estimated: false,
    from: {},
    attempt: 1,
    startedAt: '2026-01-01T00:00:00.000Z',
    duration: 0,
    ...(code !== undefined && { error: reportError(new HomieError(code)) }),
  };
}
