import { asHomieError, HomieError } from '../errors';
import type { HomieBroker } from '../homie/broker';
import { runningFirmware, type Device } from '../homie/device';
import type { Obstacle } from '../homie/gate';
import type { Change, Outcome } from '../update/update';
import type { Check } from './check';
import type { JsonObject } from './json';
import { checkDevicePatch, readyAt, rememberUnconfirmed } from './check-device';
import { MOST_SENT, type MissedPatch } from './missed';
import { Relocation, type Address } from './relocation';
import { endUnsent, PatchProgress } from './report';
import { PatchTransfer, type PatchTransferEnd, type PatchTransferInput } from './patch-transfer';
import type { ConfigSettings } from './settings';
import { readObject } from './patch';
import type { PatchStep } from './patch-step';

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
  /** Keeps watching after the end of the exchange: what the device does then does not change the result. */
  readonly watchOn: (late: Promise<Outcome | undefined>) => void;
  /** The patch as it was missed before. */
  readonly before?: MissedPatch | undefined;
  /** The device fell asleep without a sign of the patch. Left out where nobody waits for its next wake. */
  readonly missed?: (patch: MissedPatch) => void;
}

/**
 * Changes the configuration of a device, and proves that it was taken. The caller holds the lock of the device.
 *
 * Checks the patch against a device that is ready and whose configuration is known; then, for each step: publishes it, waits
 * for the empty message by which the device says that it has received it, for the reboot, and compares the
 * configuration with which it comes back. The next step is sent only when the one before is proven.
 *
 * @returns how it ended; undefined when the device is not there, and nothing was sent, or `missed` was called. It does not
 * reject for anything that a device or a broker does
 */
export async function bringPatch(input: PatchInput): Promise<Outcome | undefined> {
  const { broker, device, patch, settings, abandon, report } = input;
  const at = readyAt(broker, device);
  const known = broker.registry.get(device);
  if (at === undefined || at > performance.now() || known === undefined) return undefined;
  const check = checkDevicePatch(broker, known, patch, settings);
  report({ from: runningFirmware(known) });
  const refused = endUnsent(check);
  if (refused !== undefined) return refused;
  const relocation = new Relocation(broker, device);
  const progress = new PatchProgress(check);
  const exchange = new PatchExchange(input, relocation, progress);
  try {
    return await exchange.run();
  } catch (error) {
    const why = abandon.aborted ? new HomieError('ABANDONED') : asHomieError(error);
    return progress.outcome({ state: 'failed', error: why });
  } finally {
    void exchange.late.then(() => relocation.close());
  }
}

/** What follows: the end, the next step, another attempt, or the wait for another turn, where nothing was sent. */
type Next = { readonly kind: 'ended'; readonly outcome: Outcome } | { readonly kind: 'taken' | 'again' | 'wait' };

/** The steps of a patch that was checked, sent to a device that is ready, and proven one by one. */
class PatchExchange {
  readonly #input: PatchInput;
  readonly #relocation: Relocation;
  readonly #progress: PatchProgress;
  /** Where the device is. */
  #address: Address;
  /** Resolves when nothing of this exchange goes on. */
  late: Promise<unknown> = Promise.resolve();

  constructor(input: PatchInput, relocation: Relocation, progress: PatchProgress) {
    this.#input = input;
    this.#relocation = relocation;
    this.#progress = progress;
    this.#address = relocation.start;
  }

  async run(): Promise<Outcome | undefined> {
    const { cancel, abandon } = this.#input;
    const next = await this.#takeAll(AbortSignal.any([cancel, abandon]));
    return next.kind === 'ended' ? next.outcome : undefined;
  }

  async #takeAll(stop: AbortSignal): Promise<Next> {
    const { settings, cancel, abandon } = this.#input;
    const { steps } = this.#progress.check;
    let addresses: Address[];
    try {
      addresses = await this.#relocation.prepare(steps, stop);
    } catch (error) {
      if (abandon.aborted) throw error;
      if (cancel.aborted) return ended({ state: 'canceled' });
      return ended(this.#progress.outcome({ state: 'rejected', error: asHomieError(error) }));
    }
    for (const [index, step] of steps.entries()) {
      const next = await this.#take(step, addresses[index] ?? this.#address, stop);
      if (next.kind !== 'taken') return next;
    }
    const [clear, patience] = [settings.clearOld, settings.ready];
    this.#progress.moved(await this.#relocation.leaveBehind(this.#address, { clear, patience, signal: abandon }));
    return ended(this.#progress.succeeded);
  }

  async #take(step: PatchStep, to: Address, stop: AbortSignal): Promise<Next> {
    const { cancel } = this.#input;
    const from = this.#address;
    for (;;) {
      // After its reboot it is ready; but it, or the broker, may have gone again.
      const refused = this.#progress.done > 0 ? await this.#stillReady(from, stop) : undefined;
      if (refused !== undefined) return ended(refused);
      const transfer = await this.#begin(step, to);
      const end = await transfer.run();
      if (end.kind === 'missed') return this.#missed(step);
      if (end.kind === 'failed') return ended(await this.#failed(end, step, to, transfer));
      if (end.kind === 'taken') {
        await this.#took(end, step, to);
        const isStopped = cancel.aborted && !this.#progress.isComplete;
        return isStopped ? ended(this.#progress.outcome({ state: 'canceled' })) : { kind: 'taken' };
      }
      const next = this.#notSent(end.why);
      if (next.kind !== 'again') return next;
      // What was begun is finished when the job may send again.
      if (end.why === 'halted') await from.watch.next(performance.now() + HALTED, stop);
    }
  }

  async #begin(step: PatchStep, to: Address): Promise<PatchTransfer> {
    const { settings, begin, report } = this.#input;
    const from = this.#address;
    const { check, done } = this.#progress;
    const known = from.broker.registry.get(from.device);
    if (known !== undefined) await begin?.(known, check, done);
    report({ state: 'running', config: this.#progress.report() });
    const sketch = within(step.paths, check.sketch);
    return new PatchTransfer({
      from,
      to,
      step,
      sketch,
      settings,
      sender: this.#sender,
      report: (phase) => report({ phase, percent: this.#progress.percentIn(phase) }),
      // What shows whether a part was taken that others follow would have to be waited for in the middle.
      mayMiss: this.#input.missed !== undefined && check.steps.length === 1 && this.#sent < MOST_SENT - 1,
    });
  }

  /** How often the patch was sent and missed. */
  get #sent(): number {
    return this.#input.before?.sent ?? 0;
  }

  /** It boots when it wakes, whether it took the patch or not: nothing is left pending. */
  async #missed(step: PatchStep): Promise<Next> {
    const { broker, device, unsent, missed, report } = this.#input;
    const mac = broker.registry.get(device)?.mac?.value;
    const [config, sent, at] = [this.#progress.report(), this.#sent + 1, performance.now()];
    await broker.locks.left(device, undefined);
    unsent?.();
    missed?.({ step, sent, at, config, ...(mac !== undefined && { mac }) });
    report({ state: 'waiting' });
    return { kind: 'wait' };
  }

  #notSent(why: Obstacle): Next {
    const { abandon, unsent, report } = this.#input;
    unsent?.();
    if (why === 'abandoned') abandon.throwIfAborted();
    const { done } = this.#progress;
    if (why === 'canceled') {
      return ended(done === 0 ? { state: 'canceled' } : this.#progress.outcome({ state: 'canceled' }));
    }
    if (done > 0) return { kind: 'again' };
    report({ state: why === 'halted' ? 'queued' : 'waiting' });
    return { kind: 'wait' };
  }

  get #sender(): PatchTransferInput['sender'] {
    const { job, cancel, abandon, mayBegin, handedOver, report } = this.#input;
    return {
      job,
      cancel,
      abandon,
      mayBegin,
      handedOver: () => {
        report({ attempt: this.#sent + this.#progress.done + 1 });
        handedOver?.();
      },
    };
  }

  async #stillReady(address: Address, stop: AbortSignal): Promise<Outcome | undefined> {
    const { settings, cancel, abandon } = this.#input;
    try {
      await address.untilReadyAgain(settings.reboot, stop);
      return undefined;
    } catch (error) {
      if (abandon.aborted) throw error;
      if (cancel.aborted) return this.#progress.outcome({ state: 'canceled' });
      return this.#progress.outcome({ state: 'failed', error: asHomieError(error) });
    }
  }

  /** A device that was not shown to have rebooted stays locked for images: a reboot would cut off an update. */
  async #took({ unproven }: PatchTransferEnd & { kind: 'taken' }, step: PatchStep, to: Address): Promise<void> {
    this.#progress.took(step, unproven === true ? 'unproven' : 'proven');
    const { broker, device } = this.#address;
    await broker.locks.left(device, unproven === true ? 'flashed' : undefined);
    this.#address = to;
  }

  /** The device stays locked beyond the job where it may still reboot. */
  async #failed(
    end: PatchTransferEnd & { kind: 'failed' },
    step: PatchStep,
    to: Address,
    transfer: PatchTransfer,
  ): Promise<Outcome> {
    const { abandon, watchOn } = this.#input;
    const { broker, device } = this.#address;
    this.#progress.failed(end);
    if (end.open !== undefined) rememberUnconfirmed(broker, device, readObject(step.text()));
    await broker.locks.left(device, end.open);
    const mayReboot = end.open === 'flashed' || end.open === 'unknown';
    if (mayReboot && !abandon.aborted) {
      const late = this.#late(step, to, transfer);
      this.late = late;
      watchOn(late);
    }
    const unproven = end.unproven && ({ reboot: 'unproven' } as const);
    return this.#progress.outcome({ state: 'failed', error: end.error, ...unproven });
  }

  /** What became of a device that had not rebooted in time. Undefined when nobody saw it. */
  async #late(step: PatchStep, to: Address, transfer: PatchTransfer): Promise<Outcome | undefined> {
    const progress = this.#progress;
    try {
      const end = await transfer.late();
      if (end === undefined || end.kind === 'not_sent' || end.kind === 'missed') return undefined;
      if (end.kind === 'failed') {
        progress.failed(end);
        return progress.outcome({ state: 'failed', error: end.error });
      }
      if (!step.isVisible()) {
        return progress.outcome({ state: 'failed', error: new HomieError('NOT_APPLIED.noneShown') });
      }
      await this.#took(end, step, to);
      if (progress.isComplete) return progress.succeeded;
      return progress.outcome({ state: 'failed', error: new HomieError('NOT_APPLIED.unfinished') });
    } catch {
      return undefined;
    }
  }
}

function ended(outcome: Outcome): Next {
  return { kind: 'ended', outcome };
}

/** Those of the paths that lie at or below one of the roots. */
function within(paths: readonly string[], roots: readonly string[]): string[] {
  return paths.filter((path) =>
    roots.some((root) => path === root || (path.startsWith(root) && /^[.[]/.test(path.slice(root.length)))),
  );
}

/** How often it is looked whether a job that was paused in the middle may go on, in ms. */
const HALTED = 1000;
