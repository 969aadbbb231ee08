import { readFileSync, readlinkSync } from 'node:fs';
import os from 'node:os';
import { codeOf } from './whole-file';

/** The content of the lock file of a folder: which process uses it. */
export interface Claim {
  readonly token: string;
  readonly host: string;
  /** The boot and namespace in which process ids are unique; empty if not known. */
  readonly space: string;
  readonly pid: number;
  /** Whether the owner has ended its use. */
  readonly released: boolean;
}

/** What a waiting process has observed of the lock file. */
export interface Watched {
  readonly generation: number;
  readonly text: string;
  /** ms of `performance.now()`. */
  readonly at: number;
  /** ms without a change, counting only the time in which this process was looking. */
  readonly silent: number;
  /** Whether the file has changed since the first look. */
  readonly alive: boolean;
}

/**
 * Returns the observation after another look at the lock file. Does not depend on the clock of the owner, only on
 * whether the file changes.
 *
 * @param at time of the look, in ms of `performance.now()`
 * @param most maximum time in ms that counts between two looks, since a suspended process does not look
 */
export function watch(
  before: Watched | undefined,
  { generation, text }: Pick<Watched, 'generation' | 'text'>,
  at: number,
  most: number,
): Watched {
  if (before?.generation === generation && before.text === text) {
    return { ...before, at, silent: before.silent + Math.min(at - before.at, most) };
  }
  return { generation, text, at, silent: 0, alive: before !== undefined };
}

/**
 * Returns whether the folder may be taken over.
 *
 * @param silence time without a heartbeat after which it may, in ms
 */
export function isFree({ text, silent }: Pick<Watched, 'text' | 'silent'>, silence: number): boolean {
  const claim = readClaim(text);
  return silent >= silence || (claim !== undefined && (claim.released || isGone(claim)));
}

/**
 * Returns whether the process of a claim that is not ours has certainly ended. Its process id proves that only on the
 * same host and, where the system provides them, in the same boot and namespace. Two containers may have the same host
 * name, and Node-RED is process 1 in both.
 */
function isGone({ host, space, pid }: Claim): boolean {
  if (host !== os.hostname() || space !== ownSpace()) return false;
  if (pid === process.pid) return true;
  try {
    process.kill(pid, 0);
    return false;
  } catch (error) {
    return codeOf(error) === 'ESRCH';
  }
}

/**
 * Returns the content of the lock file of this process. It differs at each heartbeat, but always has the same length.
 */
export function claimText(own: { readonly token: string; readonly released: boolean; readonly beats: number }): string {
  const claim = { ...own, host: os.hostname(), space: ownSpace(), pid: process.pid };
  return `${JSON.stringify(claim).padEnd(1_000)}\n`;
}

/** Parses the content of a lock file. Returns undefined if it is invalid, as in a file that was only just created. */
export function readClaim(text: string): Claim | undefined {
  try {
    const { token, host, space, pid, released }: Partial<Record<string, unknown>> = Object(JSON.parse(text));
    const isText = typeof token === 'string' && typeof host === 'string' && typeof space === 'string';
    if (!isText || typeof pid !== 'number' || !Number.isSafeInteger(pid) || pid <= 0) return undefined;
    return { token, host, space, pid, released: released === true };
  } catch {
    return undefined;
  }
}

let space: string | undefined;

/**
 * Returns the ids of the boot of the machine and of the process id namespace (proc(5), namespaces(7)); empty where the
 * system does not provide them.
 */
function ownSpace(): string {
  space ??= readSpace();
  return space;
}

function readSpace(): string {
  try {
    const boot = readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();
    return `${boot} ${readlinkSync('/proc/self/ns/pid')}`;
  } catch {
    return '';
  }
}
