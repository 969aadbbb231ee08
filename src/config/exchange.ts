import { asHomieError, HomieError } from '../errors';
import { runningFirmware } from '../homie/device';
import { isHalted, type Obstacle } from '../homie/gate';
import type { Outcome } from '../update/update';
import { within } from './json';
import { checkDevicePatch, readyAt, rememberUnconfirmed } from './check-device';
import { MOST_SENT } from './missed';
import { Relocation, type Address } from './relocation';
import { endUnsent, PatchProgress } from './report';
import { PatchTransfer, type PatchTransferInput } from './patch-transfer';
import type { PatchVerdict } from './patch-verdict';
import { readObject } from './patch';
import type { PatchInput } from './patch-input';
import type { PatchStep } from './patch-step';

/**
 * Changes the configuration of a device, and verifies that the device took it. The caller holds the lock of the device.
 *
 * Checks the patch against a ready device with a known configuration. Then, for each step: publishes it, waits for the
 * empty message with which the device confirms receipt and for the reboot, and compares the configuration with which
 * the device comes back. Sends the next step only when the device has taken the previous one.
 *
 * @returns the outcome; undefined if nothing was sent because the device is not there or has to wait, or if `missed`
 * was called. Does not reject for anything that a device or a broker does
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
    // A reboot that is still pending protects the device itself; its new address must be free for a corrected patch.
    relocation.release();
    void exchange.late.then(() => relocation.close());
  }
}

/** What follows: the end, the next step (`taken`), another attempt (`again`), or the wait for another turn. */
type Next = { readonly kind: 'ended'; readonly outcome: Outcome } | { readonly kind: 'taken' | 'again' | 'wait' };

/** Sends the steps of a checked patch to a ready device, and verifies them one by one. */
class PatchExchange {
  readonly #input: PatchInput;
  readonly #relocation: Relocation;
  readonly #progress: PatchProgress;
  /** The current address of the device. */
  #address: Address;
  /** Aborted when a device that was to move is no longer watched at its new address. */
  readonly #overtaken = new AbortController();
  /** Resolves when nothing of this exchange is in progress. */
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
      const refused = this.#progress.done > 0 ? await this.#untilNext(from, stop) : undefined;
      if (refused !== undefined) return ended(refused);
      const transfer = await this.#begin(step, to);
      const end = await transfer.run();
      if (end.kind === 'missed') return this.#missed(step);
      if (end.kind === 'refused') return ended(this.#progress.outcome({ state: 'failed', error: end.error }));
      if (end.kind === 'failed') return ended(await this.#failed(end, step, to, transfer));
      if (end.kind === 'taken') {
        await this.#took(end, step, to);
        const isStopped = cancel.aborted && !this.#progress.isComplete;
        return isStopped ? ended(this.#progress.outcome({ state: 'canceled' })) : { kind: 'taken' };
      }
      const next = this.#notSent(end.why);
      if (next.kind !== 'again') return next;
    }
  }

  async #begin(step: PatchStep, to: Address): Promise<PatchTransfer> {
    const { settings, begin, report } = this.#input;
    const from = this.#address;
    const { check, done } = this.#progress;
    const known = from.broker.registry.get(from.device);
    const isStored = known && (await begin(known, check, done));
    report({ state: 'running', config: this.#progress.report() });
    const sketch = within(step.paths, check.sketch);
    return new PatchTransfer({
      from,
      to,
      step,
      sketch,
      settings,
      sender: { ...this.#sender, isStored },
      report: (phase) => report({ phase, percent: this.#progress.percentIn(phase) }),
      // With several steps, the exchange would have to wait for the next wake in the middle of the change.
      mayMiss: check.steps.length === 1 && this.#sent < MOST_SENT - 1,
    });
  }

  /** How often the patch was sent before, and missed. */
  get #sent(): number {
    return this.#input.before?.sent ?? 0;
  }

  /**
   * Leaves a missed patch to the next wake of the device, which then boots whether it took the patch or not: no reboot
   * stays pending.
   */
  async #missed(step: PatchStep): Promise<Next> {
    const { broker, device, unsent, missed, report } = this.#input;
    const mac = broker.registry.get(device)?.mac?.value;
    const [config, sent, at] = [this.#progress.report(), this.#sent + 1, performance.now()];
    await broker.locks.left(device, undefined);
    unsent();
    missed({ step, sent, at, config, ...(mac !== undefined && { mac }) });
    report({ state: 'waiting' });
    return { kind: 'wait' };
  }

  #notSent(why: Obstacle): Next {
    const { cancel, abandon, unsent, report } = this.#input;
    unsent();
    const { done } = this.#progress;
    if (cancel.aborted) {
      return ended(done === 0 ? { state: 'canceled' } : this.#progress.outcome({ state: 'canceled' }));
    }
    if (why === 'abandoned') abandon.throwIfAborted();
    if (done > 0) return { kind: 'again' };
    report({ state: why === 'halted' ? 'queued' : 'waiting' });
    return { kind: 'wait' };
  }

  get #sender(): PatchTransferInput['sender'] {
    const { job, cancel, abandon, mayBegin, handedOver, report } = this.#input;
    return {
      job,
      cancel,
      abandon: AbortSignal.any([abandon, this.#overtaken.signal]),
      mayBegin,
      handedOver: () => {
        report({ attempt: this.#sent + this.#progress.done + 1 });
        handedOver();
      },
    };
  }

  /**
   * Waits between two steps until the job may send and the device is ready: the device was ready after its last reboot,
   * but the device or the broker may have gone since.
   *
   * @returns the outcome if the next step must not be sent. A canceled change has ended even if the device is no longer
   *   observed either, because nothing is in flight
   */
  async #untilNext(address: Address, stop: AbortSignal): Promise<Outcome | undefined> {
    const { settings, cancel, abandon } = this.#input;
    try {
      do {
        await this.#whileHalted(address, stop);
        await address.untilReadyAgain(settings.reboot, stop);
      } while (this.#isHalted);
      return undefined;
    } catch (error) {
      if (cancel.aborted) return this.#progress.outcome({ state: 'canceled' });
      if (abandon.aborted) throw error;
      return this.#progress.outcome({ state: 'failed', error: asHomieError(error) });
    }
  }

  /** Waits while the job must not send. Stores once that nothing is in flight, and nothing while the wait lasts. */
  async #whileHalted({ watch }: Address, stop: AbortSignal): Promise<void> {
    if (!this.#isHalted) return;
    const { unsent, report } = this.#input;
    unsent();
    report({ state: 'queued', config: this.#progress.report() });
    while (this.#isHalted) await watch.next(performance.now() + HALTED, stop);
  }

  /** Whether the gate would refuse the next step as `halted`. */
  get #isHalted(): boolean {
    return isHalted(this.#input.mayBegin);
  }

  /**
   * Records a step that the device has taken. If the reboot is not proven, the device stays locked for images, since a
   * reboot would cut off an update.
   */
  async #took({ unproven }: PatchVerdict & { kind: 'taken' }, step: PatchStep, to: Address): Promise<void> {
    this.#progress.took(step, unproven === true ? 'unproven' : 'proven');
    const { broker, device } = this.#address;
    await broker.locks.left(device, unproven === true ? 'flashed' : undefined);
    this.#address = to;
  }

  /** Records a failed step. A device that may still reboot stays locked beyond the job. */
  async #failed(
    end: PatchVerdict & { kind: 'failed' },
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
      const from = this.#address;
      // The connection to a new base topic must not stay open for a move that does not come any more.
      if (to !== from) void this.#relocation.untilPatched(from).then((is) => is && this.#overtaken.abort());
      this.late = late;
      watchOn(late);
    }
    const unproven = end.unproven && ({ reboot: 'unproven' } as const);
    return this.#progress.outcome({ state: 'failed', error: end.error, ...unproven });
  }

  /** Returns the outcome of a device that had not rebooted in time; undefined if nobody saw it. */
  async #late(step: PatchStep, to: Address, transfer: PatchTransfer): Promise<Outcome | undefined> {
    const progress = this.#progress;
    try {
      const end = await transfer.late();
      if (end === undefined) return undefined;
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

/** How often a change that was paused in the middle checks whether it may continue, in ms. */
const HALTED = 1000;
