import type { Outcome } from '../update/update';

/** What follows a look at the device: the end, another look, or the wait for another turn. */
export type Next = { readonly kind: 'ended'; readonly outcome: Outcome } | { readonly kind: 'again' | 'wait' };

export const again: Next = { kind: 'again' };
export const wait: Next = { kind: 'wait' };

export function ended(outcome: Outcome): Next {
  return { kind: 'ended', outcome };
}
