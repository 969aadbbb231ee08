/** Devices on which base64 has failed in this process. It can leave an updater stuck, so they never get it again. */
import type { HomieBroker } from '../homie/broker';
import type { SentEnd } from './transfer';

const failures = new Set<string>();

/** Returns whether base64 has failed on a device in this process. */
export function hasFailedWithBase64({ locks }: HomieBroker, device: string): boolean {
  return failures.has(`${locks.scope}${device}`);
}

/** Remembers a device that was sent an image as base64 and did not take it. */
export function rememberBase64({ locks }: HomieBroker, device: string, end: SentEnd): void {
  if (isFailure(end)) failures.add(`${locks.scope}${device}`);
}

function isFailure(end: SentEnd): boolean {
  if (end.kind === 'interrupted') return end.error.code === 'STALLED';
  if (end.kind === 'unseen') return end.error.code === 'NOT_ACCEPTED';
  if (end.kind !== 'ended' || end.outcome.state !== 'failed') return end.kind === 'stuck';
  const { code, status } = end.outcome.error;
  return status !== undefined || code === 'NOT_ACCEPTED' || code === 'STALLED';
}
