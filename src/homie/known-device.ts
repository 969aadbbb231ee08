import type { Device } from './device';
import { attributes, type Facts } from './values';

/** A device in the registry. */
export type KnownDevice = { -readonly [P in keyof Device]: Device[P] };

const noFacts: Facts = Object.fromEntries(attributes.map((attribute) => [attribute, undefined]));

/**
 * Returns a device of which only the id is known. All its properties exist from the start, because objects of the same
 * shape are small and fast.
 */
export function newDevice(id: string, followedAt: number): KnownDevice {
  const never = { seenAt: undefined, connectedAt: undefined, connectedFrom: undefined, sleeps: undefined };
  return { id, followedAt, ...never, ...noFacts };
}
