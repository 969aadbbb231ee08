import type { RolloutSettings } from './settings';

/** `stopped`: by failures. Paused and stopped, nothing is started and nothing expires. */
export type Mode = 'active' | 'paused' | 'stopped';

/** Why a plan stopped: too many devices failed, or a canary did not stay well. */
export type StopReason = 'failures' | 'canary';

/** What is to be known of a plan after a restart, beside what became of its devices: plain data. */
export interface PlanState {
  readonly mode: Mode;
  /** What failed last. */
  readonly reason?: StopReason;
  /** Canaries that count. */
  readonly proven: number;
  readonly failures: number;
  readonly soaking: readonly string[];
}

/** What holds the devices of a plan back: a pause, failures, and canaries that are still to be proven. */
export class Holds {
  readonly #settings: Pick<RolloutSettings, 'canary' | 'maxFailures'>;
  /** Canaries that are watched. */
  readonly #soaking: Set<string>;
  #mode: Mode;
  #reason: StopReason | undefined;
  #proven: number;
  #failures: number;

  /** @param state as it was before a restart */
  constructor(settings: Pick<RolloutSettings, 'canary' | 'maxFailures'>, state?: PlanState) {
    this.#settings = settings;
    this.#soaking = new Set(state?.soaking);
    this.#mode = state?.mode ?? 'active';
    this.#reason = state?.reason;
    this.#proven = state?.proven ?? 0;
    this.#failures = state?.failures ?? 0;
  }

  get mode(): Mode {
    return this.#mode;
  }

  get stopReason(): StopReason | undefined {
    return this.#mode === 'stopped' ? this.#reason : undefined;
  }

  /** Whether a device that has its turn may still be sent something. */
  get maySend(): boolean {
    return this.#mode === 'active' && !this.hasFailed;
  }

  get hasFailed(): boolean {
    const { maxFailures } = this.#settings;
    return maxFailures > 0 && this.#failures >= maxFailures;
  }

  /** Whether canaries are still to be proven before the others begin. */
  get inCanary(): boolean {
    return this.#proven < this.#settings.canary;
  }

  /** How many canaries are missing that are neither proven nor watched. */
  get missing(): number {
    return this.#settings.canary - this.#proven - this.#soaking.size;
  }

  get soaking(): readonly string[] {
    return [...this.#soaking];
  }

  get state(): PlanState {
    return {
      mode: this.#mode,
      ...(this.#reason !== undefined && { reason: this.#reason }),
      proven: this.#proven,
      failures: this.#failures,
      soaking: this.soaking,
    };
  }

  isSoaking(id: string): boolean {
    return this.#soaking.has(id);
  }

  /** Observes a canary, until `soaked`, `spoiled` or `dozed` ends that. */
  soak(id: string): void {
    this.#soaking.add(id);
  }

  /** A canary has stayed well. */
  soaked(id: string): void {
    if (this.#soaking.delete(id)) this.#proven += 1;
  }

  /** A canary has not stayed well. */
  spoiled(id: string): void {
    if (this.#soaking.delete(id)) this.fail('canary');
  }

  /** A canary has gone to sleep, so that it proves nothing; another one is taken. */
  dozed(id: string): void {
    this.#soaking.delete(id);
  }

  fail(reason: StopReason): void {
    this.#failures += 1;
    if (this.#mode !== 'stopped') this.#reason = reason;
  }

  stop(): void {
    this.#mode = 'stopped';
  }

  /** Starts nothing more until `resume`. */
  pause(): void {
    if (this.#mode === 'active') this.#mode = 'paused';
  }

  /** What failed before counts no more. */
  resume(): void {
    this.#mode = 'active';
    this.#reason = undefined;
    this.#failures = 0;
  }
}
