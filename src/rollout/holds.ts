import type { ErrorCode } from '../errors';
import type { RolloutSettings } from './settings';
import { isHeld } from './store/history-record';

/** `stopped`: by failures. While paused or stopped, no device is started and no waiting device times out. */
export type Mode = 'active' | 'paused' | 'stopped';

/** Why a plan stopped: too many devices failed, or a canary was harmed or did not stay ready. */
export type StopReason = 'failures' | 'canary';

/** The state of a plan that survives a restart, apart from its devices. Plain data. */
export interface PlanState {
  readonly mode: Mode;
  /** The kind of failure that counts most: a canary, otherwise a device. */
  readonly reason?: StopReason;
  /** Number of canaries that passed their observation. */
  readonly proven: number;
  readonly failures: number;
  readonly soaking: readonly string[];
}

/** Keeps devices of a plan from starting: because of a pause, failures, or canaries that have not been proven. */
export class Holds {
  readonly #settings: Pick<RolloutSettings, 'canary' | 'maxFailures'>;
  /** The canaries under observation. */
  readonly #soaking: Set<string>;
  /** The devices that wait between two steps of a change. */
  readonly #between = new Set<string>();
  #mode: Mode;
  #reason: StopReason | undefined;
  #proven: number;
  #failures: number;

  /** @param state the state from before a restart */
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

  /** Whether something may still be sent to a device that has its turn. */
  get maySend(): boolean {
    return this.#mode === 'active' && !this.hasFailed;
  }

  /**
   * Whether a canary was harmed or did not stay ready, or there are as many failures as the settings allow. With a limit of 0, only a
   * canary stops the plan: otherwise each device in turn would become the canary of an image that harms it.
   */
  get hasFailed(): boolean {
    const { maxFailures } = this.#settings;
    return this.#reason === 'canary' || (maxFailures > 0 && this.#failures >= maxFailures);
  }

  /** Whether canaries must still be proven before the other devices start. */
  get inCanary(): boolean {
    return this.#proven < this.#settings.canary;
  }

  /** Whether a device that has its turn waits between two steps of a change, because nothing may be sent. */
  get isBetween(): boolean {
    return this.#between.size > 0;
  }

  /** How many canaries are needed in addition to those that are proven or under observation. */
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

  /** Records whether a device waits between two steps of a change. */
  between(id: string, isWaiting: boolean): void {
    if (isWaiting) this.#between.add(id);
    else this.#between.delete(id);
  }

  isSoaking(id: string): boolean {
    return this.#soaking.has(id);
  }

  /** Records that a canary is under observation, until `soaked`, `spoiled` or `dozed`. */
  soak(id: string): void {
    this.#soaking.add(id);
  }

  /** Records that a canary stayed ready. */
  soaked(id: string): void {
    if (this.#soaking.delete(id)) this.#proven += 1;
  }

  /** Records that a canary did not stay ready, which stops the plan. */
  spoiled(id: string): void {
    if (this.#soaking.delete(id)) this.#fail('canary');
  }

  /**
   * Records that the observation proves nothing, as when the canary went to sleep. Another device becomes the canary.
   */
  dozed(id: string): void {
    this.#soaking.delete(id);
  }

  /**
   * Records that a device failed. Before all canaries are proven, each device is to become one, so what harms it stops
   * the plan.
   */
  failed(code: ErrorCode | undefined): void {
    const isHarmed = isHeld(code) || code === 'NOT_READY';
    this.#fail(this.inCanary && isHarmed ? 'canary' : 'failures');
  }

  stop(): void {
    this.#mode = 'stopped';
  }

  /** Starts no more devices until `resume`. A stop remains a stop. */
  pause(): void {
    if (this.#mode === 'active') this.#mode = 'paused';
  }

  /** Continues after a pause or a stop. Earlier failures no longer count. */
  resume(): void {
    this.#mode = 'active';
    this.#reason = undefined;
    this.#failures = 0;
  }

  #fail(reason: StopReason): void {
    this.#failures += 1;
    if (this.#mode !== 'stopped' && this.#reason !== 'canary') this.#reason = reason;
  }
}
