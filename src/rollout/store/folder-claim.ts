import { readFileSync, readlinkSync } from 'node:fs';
import os from 'node:os';

/** Who uses a folder, as its lock file says. */
export interface Claim {
  readonly token: string;
  readonly host: string;
  /** What process ids are unique in, where that is known. */
  readonly space: string;
  readonly pid: number;
  /** The owner has ended its use. */
  readonly released: boolean;
}

/** What a waiting process has seen of the lock file. */
export interface Watched {
  readonly generation: number;
  readonly text: string;
  /** ms of `performance.now()`. */
  readonly at: number;
  /** ms without a change, as far as somebody was looking. */
  readonly silent: number;
  /** It has changed since the first look. */
  readonly alive: boolean;
}

/**
 * Takes in another look at the lock file. No clock of the owner counts, only whether the file changes.
 *
 * @param most ms that count between two looks: a process that was suspended has not looked meanwhile
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

/** Whether the folder may be taken over. @param silence ms without a heartbeat after which it may */
export function isFree({ text, silent }: Pick<Watched, 'text' | 'silent'>, silence: number): boolean {
  const claim = readClaim(text);
  return silent >= silence || (claim !== undefined && (claim.released || isGone(claim)));
}

/**
 * Whether the process of a claim that is not ours has certainly ended. A process id says so only where it has the same
 * meaning: on the same host, and where the system tells, in the same boot and the same namespace. Two containers may have
 * the same host name, and Node-RED is process 1 in both.
 */
function isGone({ host, space, pid }: Claim): boolean {
  if (host !== os.hostname() || space !== ownSpace()) return false;
  if (pid === process.pid) return true;
  try {
    process.kill(pid, 0);
    return false;
  } catch (error) {
    return error instanceof Error && 'code' in error && error.code === 'ESRCH';
  }
}

/** The content of the lock file of this process: another one with each heartbeat, and always of the same length. */
export function claimText(own: { readonly token: string; readonly released: boolean; readonly beats: number }): string {
  const claim = { ...own, host: os.hostname(), space: ownSpace(), pid: process.pid };
  return `${JSON.stringify(claim).padEnd(1_000)}\n`;
}

/** @returns undefined for what is none, such as a file that was only just created */
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

/** The boot of the machine, and the namespace of process ids there (proc(5), namespaces(7)); empty where not told. */
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
