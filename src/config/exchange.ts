import { asHomieError, HomieError } from '../errors';
import type { HomieBroker } from '../homie/broker';
import { runningFirmware, type Device } from '../homie/device';
import { completeAt, decidableAt, isReady, untilReady } from '../homie/presence';
import type { Change, ConfigReport, MoveReport, Outcome, Phase } from '../homie/update';
import type { Check } from './check';
import type { JsonObject } from './json';
import { checkKnown } from './known';
import { leaveBehind } from './leftovers';
import { Journey, type Place } from './place';
import { endUnsent, reportOf } from './report';
import { isVisible, provenPaths, Sending, type SendEnd, type SendInput } from './sending';
import { showableAt } from '../homie/uptime';
import type { ConfigSettings } from './settings';
import { readObject } from './patch';
import type { Step } from './step';
import { rememberUnconfirmed } from './unconfirmed';

/** One patch for one device. */
export interface PatchInput {
  readonly broker: HomieBroker;
  readonly device: string;
  /** The job that holds the lock of the device. */
  readonly job: string;
  /** As `readPatch` gives it. */
  readonly patch: JsonObject;
  readonly settings: ConfigSettings;
  /** The user wants to stop. Obeyed until the patch is handed to the socket; after that, nothing is sent again. */
  readonly cancel: AbortSignal;
  /** The device can be watched no longer. */
  readonly abandon: AbortSignal;
  readonly report: (change: Change) => void;
  /** Asked as a patch is handed to the socket: whether the job may send now. */
  readonly mayBegin?: () => boolean;
  /** A patch is handed to the socket: it is too late to cancel. */
  readonly handedOver?: () => void;
  /** Awaited before each publish: from then on the device is judged by what it does. */
  readonly begin?: (device: Device, check: Check, done: number) => Promise<void>;
  /** What was begun was not published after all. */
  readonly unsent?: () => void;
  /** Watches on after the end of the exchange: what then becomes of the device is not the result any more. */
  readonly watchOn: (late: Promise<Outcome | undefined>) => void;
}

/**
 * Changes the configuration of a device, and proves that it was taken. The caller holds the lock of the device.
 *
 * Checks the patch against a device that is ready and whose configuration is known; then, for each step: publishes it, waits
 * for the empty message by which the device says that it has received it, for the reboot, and compares the
 * configuration with which it comes back. The next step is sent only when the one before is proven.
 *
 * @returns how it ended; undefined when the device is not there, and nothing was sent. It does not reject for anything that
 * a device or a broker does
 */
export async function bringPatch(input: PatchInput): Promise<Outcome | undefined> {
  const journey = new Journey(input.broker, input.device);
  const exchange = new Exchange(input, journey);
  try {
    return await exchange.run();
  } catch (error) {
    const why = input.abandon.aborted ? new HomieError('ABANDONED') : asHomieError(error);
    return exchange.outcome({ state: 'failed', error: why });
  } finally {
    void exchange.late.then(() => journey.close());
  }
}

class Exchange {
  readonly #input: PatchInput;
  readonly #journey: Journey;
  /** Where the device is. */
  #place: Place;
  #check: Check | undefined;
  #taken: readonly string[] = [];
  #lost: ConfigReport['lost'] = [];
  #moves: readonly MoveReport[] = [];
  /** Steps that are proven. */
  #done = 0;
  /** Resolves when nothing of this exchange goes on. */
  late: Promise<unknown> = Promise.resolve();

  constructor(input: PatchInput, journey: Journey) {
    this.#input = input;
    this.#journey = journey;
    this.#place = journey.start;
  }

  async run(): Promise<Outcome | undefined> {
    const { broker, device, cancel, abandon } = this.#input;
    const at = readyAt(broker, device);
    if (at === undefined || at > performance.now()) return undefined;
    const known = broker.registry.get(device);
    return known && this.#decide(known, AbortSignal.any([cancel, abandon]));
  }

  /** What the caller is told, with all that is known of the change. */
  outcome(outcome: Outcome): Outcome {
    const config = this.#report();
    return config === undefined ? outcome : { ...outcome, config };
  }

  /** With a device that is ready: checks the patch, and sends it. Undefined when the device is to be waited for again. */
  async #decide(known: Device, stop: AbortSignal): Promise<Outcome | undefined> {
    const { broker, patch, settings, report, cancel, abandon } = this.#input;
    const check = checkKnown(broker, known, patch, settings);
    this.#check = check;
    report({ from: runningFirmware(known) });
    const refused = endUnsent(check);
    if (refused !== undefined) return refused;

    let places: Place[];
    try {
      places = await this.#journey.prepare(check.steps, stop);
    } catch (error) {
      if (abandon.aborted) throw error;
      if (cancel.aborted) return { state: 'canceled' };
      return this.outcome({ state: 'rejected', error: asHomieError(error) });
    }
    for (const [index, step] of check.steps.entries()) {
      const end = await this.#take(step, places[index] ?? this.#place, stop);
      if (end === undefined) return undefined;
      if (end !== 'taken') return end;
    }
    await this.#leaveBehind();
    return this.outcome({ state: 'succeeded', reboot: 'proven' });
  }

  /** @returns undefined when nothing was sent, and the device is to be waited for again */
  async #take(step: Step, to: Place, stop: AbortSignal): Promise<Outcome | 'taken' | undefined> {
    const { settings, cancel, abandon, report } = this.#input;
    const from = this.#place;
    for (;;) {
      if (this.#done > 0) {
        // After its reboot it is ready; but it, or the broker, may have gone again.
        const refused = await this.#stillReady(from, stop);
        if (refused !== undefined) return refused;
      }
      const known = from.broker.registry.get(from.device);
      if (this.#check !== undefined && known !== undefined) await this.#input.begin?.(known, this.#check, this.#done);
      const config = this.#report();
      report({ state: 'running', ...(config && { config }) });
      const sketch = within(step.paths, this.#check?.sketch ?? []);
      const sending = new Sending({
        from,
        to,
        step,
        sketch,
        settings,
        sender: this.#sender,
        report: (phase) => this.#phase(phase),
      });
      const end = await sending.run();
      if (end.kind === 'not_sent') {
        this.#input.unsent?.();
        if (end.why === 'abandoned') abandon.throwIfAborted();
        if (end.why === 'canceled')
          return this.#done === 0 ? { state: 'canceled' } : this.outcome({ state: 'canceled' });
        if (this.#done === 0) {
          report({ state: 'waiting' });
          return undefined;
        }
        // What was begun is finished when the job may send again.
        if (end.why === 'halted') await from.watch.next(performance.now() + HALTED, stop);
        continue;
      }
      if (end.kind === 'failed') return this.#failed(end, step, to, sending);
      await this.#proven(step, to);
      const isLast = this.#done === this.#check?.steps.length;
      return cancel.aborted && !isLast ? this.outcome({ state: 'canceled' }) : 'taken';
    }
  }

  get #sender(): SendInput['sender'] {
    const { job, cancel, abandon, mayBegin, handedOver, report } = this.#input;
    return {
      job,
      cancel,
      abandon,
      mayBegin,
      handedOver: () => {
        report({ attempt: this.#done + 1 });
        handedOver?.();
      },
    };
  }

  async #stillReady(place: Place, stop: AbortSignal): Promise<Outcome | undefined> {
    const { settings, cancel, abandon } = this.#input;
    try {
      const until = performance.now() + settings.reboot;
      await untilReady(place.broker, place.watch, place.device, until, stop);
      await settle(place, stop);
      return undefined;
    } catch (error) {
      if (abandon.aborted) throw error;
      if (cancel.aborted) return this.outcome({ state: 'canceled' });
      return this.outcome({ state: 'failed', error: asHomieError(error) });
    }
  }

  async #proven(step: Step, to: Place): Promise<void> {
    this.#done += 1;
    this.#taken = [...this.#taken, ...provenPaths(step)];
    await this.#place.broker.locks.rebooted(this.#place.device);
    this.#place = to;
  }

  /** The device stays locked beyond the job where it may still reboot. */
  async #failed(end: SendEnd & { kind: 'failed' }, step: Step, to: Place, sending: Sending): Promise<Outcome> {
    const { abandon, watchOn } = this.#input;
    const { broker, device } = this.#place;
    this.#taken = [...this.#taken, ...(end.taken ?? [])];
    this.#lost = end.lost ?? [];
    if (end.open !== undefined) rememberUnconfirmed(broker, device, readObject(step.text()));
    if (end.open === undefined) await broker.locks.rebooted(device);
    else if (end.open === 'unheard') await broker.locks.unheard(device);
    else if (!abandon.aborted) {
      const late = this.#late(step, to, sending);
      this.late = late;
      watchOn(late);
    }
    const unproven = end.unproven && ({ reboot: 'unproven' } as const);
    return this.outcome({ state: 'failed', error: end.error, ...unproven });
  }

  /** What became of a device that had not rebooted in time. Undefined when nobody saw it. */
  async #late(step: Step, to: Place, sending: Sending): Promise<Outcome | undefined> {
    try {
      const end = await sending.late();
      if (end === undefined || end.kind === 'not_sent') return undefined;
      if (end.kind === 'failed') {
        this.#taken = [...this.#taken, ...(end.taken ?? [])];
        this.#lost = end.lost ?? [];
        return this.outcome({ state: 'failed', error: end.error });
      }
      if (!isVisible(step)) {
        const message =
          'The device rebooted later. It shows nothing of what the patch sets, so whether it took it is not known.';
        return this.outcome({ state: 'failed', error: new HomieError('NOT_APPLIED', message) });
      }
      await this.#proven(step, to);
      if (this.#done === this.#check?.steps.length) return this.outcome({ state: 'succeeded', reboot: 'proven' });
      const message = 'The device rebooted later and took this patch; those after it were not sent.';
      return this.outcome({ state: 'failed', error: new HomieError('NOT_APPLIED', message) });
    } catch {
      return undefined;
    }
  }

  /** A failure here does not make undone what is proven. */
  async #leaveBehind(): Promise<void> {
    const { settings, abandon } = this.#input;
    for (const old of this.#journey.leftFor(this.#place)) {
      try {
        const move = await leaveBehind({
          old,
          now: this.#place,
          clear: settings.clearOld,
          patience: settings.ready,
          signal: abandon,
        });
        this.#moves = [...this.#moves, move];
      } catch (error) {
        const kept = asHomieError(error).message;
        this.#moves = [...this.#moves, { from: old.root, to: this.#place.root, retained: [], cleared: [], kept }];
      }
    }
  }

  #phase(phase: Phase): void {
    const steps = this.#check?.steps.length ?? 1;
    const share = shares[phase] ?? 0;
    this.#input.report({ phase, percent: Math.round(((this.#done + share) / steps) * 95) });
  }

  #report(): ConfigReport | undefined {
    if (this.#check === undefined) return undefined;
    const [taken, lost, moved] = [this.#taken, this.#lost, this.#moves];
    return reportOf(this.#check, { done: this.#done, taken, lost, moved });
  }
}

/**
 * Returns from when on a patch can be sent to a device that is ready and whose configuration is known, in ms of
 * `performance.now()`: where it has just booted, a reboot that follows at once could not be told from none. Of a device that
 * is ready and publishes too little, from when on that is known. Undefined when it is not there.
 */
export function readyAt(broker: HomieBroker, id: string): number | undefined {
  const known = broker.registry.get(id);
  if (known?.state === undefined || !isReady(broker, id)) return decidableAt(broker, id);
  return known.config === undefined ? completeAt(broker, known.state.at) : showableAt(known, performance.now());
}

/** Waits until the next reboot of a device that has just booted can be shown. */
async function settle({ broker, device, watch }: Place, stop: AbortSignal): Promise<void> {
  for (;;) {
    const known = broker.registry.get(device);
    const now = performance.now();
    if (known?.state?.value !== 'ready') return;
    const at = showableAt(known, now);
    if (at <= now) return;
    await watch.next(at, stop);
  }
}

/** Those of the paths that lie at or below one of the roots. */
function within(paths: readonly string[], roots: readonly string[]): string[] {
  return paths.filter((path) =>
    roots.some((root) => path === root || (path.startsWith(root) && /^[.[]/.test(path.slice(root.length)))),
  );
}

/** How often it is looked whether a job that was paused in the middle may go on, in ms. */
const HALTED = 1000;

/** How far a step is in each phase. */
const shares: Partial<Record<Phase, number>> = { sending: 0, received: 0.25, rebooting: 0.5, verifying: 0.75 };
