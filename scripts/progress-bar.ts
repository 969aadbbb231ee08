import type { Update } from '../src/update/update';

const WIDTH = 30;

/** Shows the progress of an update: in a terminal as a line that is redrawn, elsewhere as a line at each step. */
export class ProgressBar {
  readonly #out: NodeJS.WriteStream;
  #shown = '';

  constructor(out: NodeJS.WriteStream) {
    this.#out = out;
  }

  show(update: Update): void {
    if (this.#out.isTTY) {
      this.#out.write(`\r  ${line(update)}\u001B[K`);
      this.#shown = 'bar';
      return;
    }
    const step = `${update.state} ${update.phase ?? ''} ${Math.floor(update.progress / 20)}`;
    if (step === this.#shown) return;
    this.#shown = step;
    this.#out.write(`  ${line(update)}\n`);
  }

  end(): void {
    if (this.#out.isTTY && this.#shown !== '') this.#out.write('\n');
  }
}

/** Returns a line such as `[##########--------------------]  34 %  flashing    120 of 352 kB  4 s left`. */
function line({ state, phase, progress, written, total, remaining }: Update): string {
  const full = Math.round((WIDTH * progress) / 100);
  const bar = '#'.repeat(full) + '-'.repeat(WIDTH - full);
  const percent = String(Math.floor(progress)).padStart(3);
  const left = remaining === undefined ? '' : `  ${Math.ceil(remaining)} s left`;
  return `[${bar}] ${percent} %  ${(phase ?? state).padEnd(10)}  ${kilobytes(written)} of ${kilobytes(total)} kB${left}`;
}

export function kilobytes(bytes: number): number {
  return Math.round(bytes / 1000);
}
