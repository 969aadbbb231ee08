import { isDeepStrictEqual } from 'node:util';
import { HomieError } from '../src/errors';
import type { Order } from '../src/rollout/desk';
import type { Job, JobOptions, Select } from '../src/rollout/job';
import type { JobHead } from '../src/rollout/job-file';
import type { Unkept } from './kept-message';
import type { Request } from './request';

/** Settings by their names, as they are after message, node and defaults. */
export type EffectiveSettings = Readonly<Record<string, unknown>>;

/** What is to be brought onto devices. */
export interface Work {
  readonly brings: 'image' | 'patch';
  readonly patch?: Unkept['patch'];
  readonly settings: EffectiveSettings;
  readonly order: Order;
  /** Finds the devices that the message means. */
  readonly select: Select;
  readonly make: (options: JobOptions) => Job;
  /** What is written down of it, if it is to survive a restart. */
  readonly record?: WorkRecord;
}

/** Work as plain data without secrets. */
export interface WorkRecord {
  readonly order: Order;
  /** ms: how long it is kept after its end. */
  readonly keep: number;
  /** What its node needs to make it anew. */
  readonly work: object;
  readonly firmware?: { readonly md5: string; readonly image: Buffer };
}

/** The names of the settings that differ. */
export function differing(settings: EffectiveSettings, others: EffectiveSettings): string[] {
  const names = new Set([...Object.keys(settings), ...Object.keys(others)]);
  return [...names].filter((name) => !isDeepStrictEqual(settings[name], others[name]));
}

/** What is written down of work at its beginning. */
export function headOf(
  { order, keep, work, firmware }: WorkRecord,
  { node, scope, kept }: { readonly node: string; readonly scope: string; readonly kept: Request },
): JobHead {
  return {
    node,
    scope,
    ...(firmware !== undefined && { firmware: firmware.md5 }),
    keep,
    work: { order, msg: kept, work },
  };
}

/**
 * Reads what `headOf` has written down.
 *
 * @throws {HomieError} JOB_FILE_DAMAGED
 */
export function readRecord(value: unknown): { order: Order; msg: Request; work: object } {
  const { order, msg, work }: { order?: unknown; msg?: unknown; work?: unknown } = Object(value);
  const { identity, subject, forAll }: { identity?: unknown; subject?: unknown; forAll?: unknown } = Object(order);
  if (typeof identity !== 'string' || typeof work !== 'object' || work === null) {
    throw new HomieError('JOB_FILE_DAMAGED');
  }
  return {
    order: { identity, ...(typeof subject === 'string' && { subject }), forAll: forAll === true },
    msg: { ...Object(msg) },
    work,
  };
}
