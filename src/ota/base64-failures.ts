/** Devices on which base64 has failed in this process. It can leave an updater stuck, so they never get it again. */
import type { HomieError } from '../errors';
import type { HomieBroker } from '../homie/broker';
import { lockTable } from '../homie/lock-table';
import type { SentEnd } from './transfer-end';

/** Returns whether base64 has failed on a device in this process. */
export function hasFailedWithBase64({ locks }: HomieBroker, device: string): boolean {
  return lockTable().base64Failures.has(locks.keyOf(device));
}

/** Remembers a device that was sent an image as base64 and did not take it. */
export function rememberBase64({ locks }: HomieBroker, device: string, end: SentEnd): void {
  if (isFailure(end)) lockTable().base64Failures.add(locks.keyOf(device));
}

function isFailure(end: SentEnd): boolean {
  if (end.kind === 'interrupted') return end.error.code === 'STALLED';
  if (end.kind === 'unseen') return wasIgnored(end.error);
  if (end.kind !== 'ended' || end.outcome.state !== 'failed') return end.kind === 'stuck';
  const { error } = end.outcome;
  return error.status !== undefined || wasIgnored(error) || error.code === 'STALLED';
}

/** Whether the device received the image and did not take it. An image that has no subscriber reaches no device. */
function wasIgnored({ code, key }: HomieError): boolean {
  return code === 'NOT_ACCEPTED' && key !== 'NOT_ACCEPTED.noSubscriber';
}
