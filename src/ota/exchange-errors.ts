/** Why an exchange cannot begin or go on, as errors. */
import { parseStatus } from './status';
import type { OtaSettings } from './settings';
import type { Device } from '../homie/device';
import { HomieError } from '../errors';
import type { SentEnd } from './transfer';
import type { StaleUpdate } from './recovery';

/** Whether the device was given the image and did not take it. */
export function deviceFailed(end: SentEnd): boolean {
  if (end.kind === 'interrupted') return end.error.code === 'STALLED';
  if (end.kind === 'unseen') return end.error.code === 'NOT_ACCEPTED';
  if (end.kind !== 'ended' || end.outcome.state !== 'failed') return end.kind === 'stuck';
  const { code, status } = end.outcome.error;
  return status !== undefined || code === 'NOT_ACCEPTED' || code === 'STALLED';
}

/** An update by somebody else, seen as it happens: under way, or flashed and waiting for the reboot. */
export function anotherUpdate({ otaStatus, state, uptime }: Device, settings: OtaSettings): HomieError | undefined {
  if (otaStatus?.live !== true) return undefined;
  const kind = parseStatus(otaStatus.value)?.kind;
  const connectedSince = state !== undefined && state.at > otaStatus.at;
  if (kind === 'flashed') {
    const goesOn = uptime !== undefined && uptime.value * 1000 >= uptime.at - otaStatus.at;
    return connectedSince && !goesOn ? undefined : new HomieError('REBOOT_PENDING');
  }
  const recent = !connectedSince && performance.now() - otaStatus.at < settings.stall;
  return recent && (kind === 'accepted' || kind === 'progress') ? new HomieError('ANOTHER_UPDATER') : undefined;
}

/** The same error, of a device that stays locked. */
export function maybeStaged({ code, message, hint, cause }: HomieError): HomieError {
  const restarted =
    'Restart the device. Nothing more is sent to it until a restart is confirmed, because it may still have an image to boot.';
  return new HomieError(code, message, { hint: `${hint} ${restarted}`, cause });
}

/** Why a device is not touched that may be in the middle of an update. */
export function inTheMiddle(answer: StaleUpdate): HomieError {
  if (answer === 'flashed') return new HomieError('REBOOT_PENDING');
  if (answer !== 'silence') return new HomieError('ANOTHER_UPDATER');
  return new HomieError(
    'NOT_ACCEPTED',
    'The device did not report whether an update is in progress; no firmware was sent.',
  );
}

/**
 * Whether the last that is known of an update is its middle: it may go on, or may have left the device half dead. Only
 * statistics tell that it is idle.
 */
export function leftInTheMiddle({ otaStatus, uptime, state }: Device): boolean {
  const kind = otaStatus === undefined ? undefined : parseStatus(otaStatus.value)?.kind;
  if (kind !== 'accepted' && kind !== 'progress') return false;
  const idle = uptime?.live === true && uptime.at >= Math.max(state?.at ?? 0, otaStatus?.at ?? 0);
  return !idle;
}
