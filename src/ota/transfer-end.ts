/** How the transfer of an image ended, and how that left the device. */
import { HomieError } from '../errors';
import type { Unsent } from '../homie/gate';
import type { OpenEnd } from '../homie/lock-table';
import type { ErrorKey, Values } from '../texts/text';
import type { Outcome } from '../update/update';
import type { StaleUpdate } from './recovery';

/**
 * How a transfer ended.
 *
 * - `ended`: with this outcome. `open`: the device may still boot something, as `OpenEnd` says
 * - `not_sent`, `refused`: the image did not reach the device (see `Unsent`)
 * - `missed`: when the broker had the image, the device was asleep, or the broker had nobody to deliver the image to.
 *   The session of the device is clean, so it never receives the image
 * - `stuck`: the updater of the device is stuck
 * - `unseen`: the device gave no sign: it may be in the middle of an update, or have an image to boot. `answer`: its
 *   answer to the question; undefined if it never received the image. `again`: the image may have missed the device
 * - `interrupted`: the update ended in the middle. `free`: nothing is staged, as shown by a restart into the old
 *   firmware or by the answer of the device to the question; otherwise the device may be half dead, or have an image to
 *   boot. `again`: the old firmware was seen live
 */
export type TransferEnd =
  | { readonly kind: 'ended'; readonly outcome: Outcome; readonly open: OpenEnd | undefined }
  | Unsent
  | { readonly kind: 'missed' }
  | { readonly kind: 'stuck'; readonly error: HomieError }
  | {
      readonly kind: 'unseen';
      readonly error: HomieError;
      readonly answer: StaleUpdate | undefined;
      readonly again: boolean;
    }
  | {
      readonly kind: 'interrupted';
      readonly error: HomieError;
      readonly free: boolean;
      readonly again: boolean;
      readonly answer?: StaleUpdate | undefined;
    };

/** How a transfer ended whose image was sent. */
export type SentEnd = Exclude<TransferEnd, Unsent>;

/** Returns how a transfer left the device; undefined if it is known that nothing is staged. */
export function openEnd(end: SentEnd): OpenEnd | undefined {
  switch (end.kind) {
    case 'ended':
      return end.open;
    case 'unseen':
      return end.answer === undefined ? undefined : 'unknown';
    case 'interrupted':
      return end.free ? undefined : 'unknown';
    // The session of a device that was asleep or away is clean, and a stuck updater has staged nothing.
    case 'missed':
    case 'stuck':
      return undefined;
  }
}

export function failed(key: ErrorKey, open: OpenEnd, values?: Values): SentEnd {
  return ended({ state: 'failed', error: new HomieError(key, values) }, open);
}

/** Returns an end. It must state how it leaves the device: a missing lock could ruin the device. */
export function ended(outcome: Outcome, open: OpenEnd | undefined): SentEnd {
  return { kind: 'ended', outcome, open };
}
