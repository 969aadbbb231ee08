import { fork } from 'node:child_process';
import { once } from 'node:events';
import path from 'node:path';
import type { LockTiming } from '../../src/rollout/store/folder-lock';

/** A message from a process that uses a folder. */
interface LockReport {
  readonly event: 'decided' | 'owned' | 'lost' | 'answer';
  readonly isOwner?: boolean;
  readonly why?: string;
}

/** Another process that uses a folder. */
export class LockProcess {
  readonly #child;
  readonly #reports: LockReport[] = [];
  readonly #listeners = new Set<() => void>();

  constructor(folder: string, timing: LockTiming) {
    this.#child = fork(
      path.join(__dirname, '../rollout/store/folder-lock-process.ts'),
      [folder, JSON.stringify(timing)],
      {
        execArgv: ['--require', 'tsx/cjs'],
      },
    );
    this.#child.on('message', (report: LockReport) => {
      this.#reports.push(report);
      for (const listener of this.#listeners) listener();
    });
  }

  get pid(): number {
    return this.#child.pid ?? 0;
  }

  /** Waits for the first report of this kind, which may have arrived already. */
  async told(event: LockReport['event']): Promise<LockReport> {
    for (;;) {
      const found = this.#reports.find((report) => report.event === event);
      if (found !== undefined) return found;
      await new Promise<void>((resolve) => {
        const listener = (): void => {
          this.#listeners.delete(listener);
          resolve();
        };
        this.#listeners.add(listener);
      });
    }
  }

  /** Asks the process whether it owns the folder. */
  async ask(): Promise<LockReport> {
    const before = this.#reports.findIndex(({ event }) => event === 'answer');
    if (before >= 0) this.#reports.splice(before, 1);
    this.#child.send('ask');
    return this.told('answer');
  }

  signal(signal: 'SIGSTOP' | 'SIGCONT'): void {
    this.#child.kill(signal);
  }

  /** Ends the process as a crash does (SIGKILL), or in an orderly way, and waits for its exit. */
  async end(how: 'SIGKILL' | 'exit'): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const exited = once(this.#child, 'exit');
    if (how === 'exit') this.#child.send('exit');
    else this.#child.kill(how);
    await exited;
  }
}
