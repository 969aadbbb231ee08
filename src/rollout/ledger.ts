import { ignoredKeys, reportError, type Change, type FirmwareName, type Outcome, type Update } from '../homie/update';

/** What is known of one device of a job. `duration` is set when it has ended, in ms. */
export type Entry = Omit<Update, 'duration'> & { readonly duration?: number };

/** What has become of the devices of a job, in their order. */
export class Ledger {
  readonly #job: string;
  readonly #initial: Pick<Update, 'total'> & Partial<Pick<Update, 'to'>>;
  readonly #startedAt: string;
  readonly #elapsed: () => number;
  readonly #entries = new Map<string, Entry>();
  readonly #touched = new Set<string>();

  /**
   * @param initial what every update says from its start
   * @param startedAt ISO 8601
   * @param elapsed ms since then
   */
  constructor(
    job: string,
    initial: Pick<Update, 'total'> & Partial<Pick<Update, 'to'>>,
    startedAt: string,
    elapsed: () => number,
  ) {
    this.#job = job;
    this.#initial = initial;
    this.#startedAt = startedAt;
    this.#elapsed = elapsed;
  }

  /** As they are kept in a file. */
  get entries(): readonly Entry[] {
    return [...this.#entries.values()];
  }

  /** Marks a device as changed. */
  touch(device: string): void {
    this.#touched.add(device);
  }

  /** The devices that have changed since this was last called. */
  takeTouched(): Entry[] {
    const touched = [...this.#touched].flatMap((device) => this.#entries.get(device) ?? []);
    this.#touched.clear();
    return touched;
  }

  has(device: string): boolean {
    return this.#entries.has(device);
  }

  /** Takes in what was kept in a file. */
  restore(entries: readonly Entry[]): void {
    for (const entry of entries) this.#set({ ...entry, job: this.#job });
  }

  /** Begins with a device, or anew with one that has ended. */
  enter(device: string): void {
    this.#set({
      job: this.#job,
      device,
      state: 'queued',
      progress: 0,
      written: 0,
      ...this.#initial,
      estimated: false,
      from: {},
      attempt: 0,
      startedAt: this.#startedAt,
    });
  }

  get(device: string): Update | undefined {
    const entry = this.#entries.get(device);
    return entry === undefined ? undefined : this.#update(entry);
  }

  all(): Update[] {
    return [...this.#entries.values()].map((entry) => this.#update(entry));
  }

  change(device: string, { progress, percent: share, ...change }: Change): Update | undefined {
    const entry = this.#entries.get(device);
    if (entry === undefined) return undefined;
    const { percent = share ?? 0, ...written } = progress ?? {};
    const before = change.state === undefined ? entry : withoutWait(entry);
    const next: Entry = { ...before, ...change, ...written, progress: Math.max(entry.progress, percent) };
    // Whoever waits is at no point of an exchange.
    const { phase: _phase, remaining: _remaining, ...waiting } = next;
    const changed = next.state === 'running' ? next : waiting;
    this.#set(changed);
    return this.#update(changed);
  }

  /** @param runs what the device is known to run, for one that has ended without an exchange */
  end(device: string, outcome: Outcome, runs: FirmwareName = {}): Update | undefined {
    const entry = this.#entries.get(device);
    if (entry === undefined) return undefined;
    const from = Object.keys(entry.from).length === 0 ? runs : entry.from;
    const ended: Entry = { ...end({ ...entry, from }, outcome), duration: this.#elapsed() };
    this.#set(ended);
    return this.#update(ended);
  }

  /** What became of a device after its end; it does not change how it ended. */
  late(device: string, outcome: Outcome): Update | undefined {
    const entry = this.#entries.get(device);
    if (entry === undefined) return undefined;
    const { error: _error, duration: _duration, ...rest } = entry;
    return { ...this.#update(end(rest, outcome)), late: true };
  }

  #set(entry: Entry): void {
    this.#entries.set(entry.device, entry);
    this.touch(entry.device);
  }

  #update(entry: Entry): Update {
    return { ...entry, duration: Math.round(entry.duration ?? this.#elapsed()) };
  }
}

/** What is known of a device when it has ended like this. */
function end({ phase, remaining: _remaining, ...entry }: Entry, outcome: Outcome): Entry {
  return {
    ...withoutWait(entry),
    state: outcome.state,
    ...(outcome.state === 'succeeded' && { progress: 100, written: entry.total, estimated: false }),
    ...('config' in outcome && { config: outcome.config }),
    ...('reboot' in outcome && { reboot: outcome.reboot }),
    ...('reason' in outcome && { reason: outcome.reason }),
    ...hintOf(outcome),
    ...('error' in outcome && { error: reportError(outcome.error, phase) }),
  };
}

/** What to do about a success or a skip: also about keys of a patch that came to nothing. */
function hintOf(outcome: Outcome): { readonly hint?: string } {
  const given = 'hint' in outcome ? outcome.hint : undefined;
  const ignored = outcome.config === undefined || 'error' in outcome ? '' : ignoredKeys([outcome.config]).trim();
  const hint = [given, ignored].filter(Boolean).join(' ');
  return hint === '' ? {} : { hint };
}

/** Why a device waited is no more than that. */
function withoutWait({ reason: _reason, hint: _hint, ...entry }: Entry): Entry {
  return entry;
}
