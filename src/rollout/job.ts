import { once } from 'node:events';
import type { Summary } from '../update/update';
import { idsOf } from './job-devices';
import { JobView } from './job-view';

/** Finds devices. Rejects with a HomieError, or with the reason of the signal. */
export type Select = (signal: AbortSignal) => Promise<readonly string[]>;

/**
 * Runs one task for several devices according to a plan.
 *
 * Emits `progress` at each change of a device, and `result` once for each device when it has ended. After that, a
 * `progress` marked `late` may follow until `abandon` resolves. Emits `idle` each time nothing is left to do: all
 * devices have ended, or failures have stopped the job. Emits `steered` when it is paused or resumed, and `change` with
 * the ids of devices that it shows otherwise than before.
 */
export class Job extends JobView {
  /**
   * Runs the job until nothing is left to do.
   *
   * @param wrap wraps the search for devices, so that the caller can act before and after it
   * @returns the summary, which includes failures of devices
   * @throws {HomieError} the devices cannot be found; nothing was sent
   * @throws an AbortError when the job is abandoned so that a later job continues it
   */
  async run(wrap: (select: Select) => Select = (select) => select): Promise<Summary> {
    this.parts.lifetime.kept.throwIfAborted();
    this.parts.arrivals.listen();
    const found = await this.#find(wrap((signal) => this.parts.context.task.select(signal)));
    this.parts.devices.add(this.parts.settings.order === 'id' ? [...found].sort() : found);
    void this.parts.context.save();
    return this.untilIdle();
  }

  async #find(select: Select): Promise<readonly string[]> {
    try {
      const found = await select(this.parts.lifetime.abandoned);
      this.parts.lifetime.kept.throwIfAborted();
      return found;
    } catch (error) {
      this.parts.lifetime.fail(error);
      throw error;
    }
  }

  /**
   * Waits until nothing is left to do, and returns the summary.
   *
   * @throws the errors of `run`
   */
  async untilIdle(): Promise<Summary> {
    this.look();
    const { idle, over } = this.parts.lifetime;
    if (idle !== 'no') return this.summary();
    const [summary] = await once(this, 'idle', { signal: over }).catch((error: unknown) => {
      over.throwIfAborted();
      throw error;
    });
    return summary;
  }

  /** Continues the job from its stored state after a restart, and resolves as `run` does. */
  async restart(wrap?: (select: Select) => Select): Promise<Summary> {
    if (!this.parts.devices.isAdmitted) return this.run(wrap);
    this.parts.devices.restart();
    this.parts.arrivals.listen();
    return this.untilIdle();
  }

  /** Starts no more devices. Devices in progress finish. */
  pause(): void {
    this.parts.context.schedule.apply((plan) => plan.holds.pause());
    void this.parts.context.save();
    this.emit('steered');
  }

  /** Continues after `pause`, or after failures have stopped the job. */
  resume(): void {
    this.parts.devices.resume();
    void this.parts.context.save();
    this.emit('steered');
  }

  /**
   * Retries devices that ended without success, and resumes the job if it was paused or stopped. Changes nothing if no
   * device can be retried.
   *
   * @param devices ids; all devices by default
   * @returns the ids of the devices that are retried
   */
  retry(devices?: readonly string[]): string[] {
    const again = this.parts.devices.retryable(devices);
    if (again.length === 0) return [];
    this.resume();
    this.parts.devices.retry(again);
    return idsOf(again);
  }

  /**
   * Cancels devices. A device on which what was sent may still take effect is no longer observed. Since its state is
   * then unknown, it stays locked until it is shown to have restarted.
   *
   * @param devices ids; the whole job by default
   * @returns the canceled devices, by whether what was sent to them may still take effect
   */
  cancel(devices?: readonly string[]): { unsent: string[]; sent: string[] } {
    const canceled = this.parts.devices.cancel(devices);
    if (devices === undefined) this.close();
    return canceled;
  }

  /** Cancels the devices to which nothing was sent. Sends nothing more to the others, but still observes them. */
  cancelUnsent(): void {
    this.parts.devices.cancelUnsent();
    this.close();
  }

  /** Resolves when the job is not serving a device. */
  async served(device: string): Promise<void> {
    await this.parts.devices.get(device)?.served();
  }

  /** Cancels waiting devices because a newer job takes them. Resolves when they are free. */
  handOver(devices: readonly string[]): Promise<void> {
    return this.parts.devices.handOver(devices);
  }

  /** Ends the observation of a device as a canary, if it is under observation, as a failure. */
  failCanary(device: string): void {
    this.parts.canaries.fail(device);
  }

  /** Stops accepting devices that appear later. */
  close(): void {
    this.parts.arrivals.close();
    void this.parts.context.save();
    this.parts.context.schedule.advance();
  }

  /**
   * Stops observing devices, because the node is closed. A device with a pending reboot stays locked until it is shown
   * to have restarted. Resolves when nothing more is reported, so that no late report removes the files of a job that
   * continues this one.
   *
   * @param keep leaves the stored state of the devices as it is, so that a later job continues them
   */
  async abandon(keep = false): Promise<void> {
    this.parts.lifetime.abandon(keep);
    for (const device of this.parts.devices.all) device.keep();
    this.parts.context.schedule.callOff();
    await Promise.all(this.parts.devices.all.map((device) => device.served()));
    await this.allReported();
  }

  /** Resolves when nothing more is reported of devices that are observed beyond their end. */
  allReported(): Promise<void> {
    return this.parts.lifetime.allReported();
  }

  protected override look(): void {
    this.parts.context.schedule.callOff();
    if (!this.parts.devices.isAdmitted) return;
    if (!this.parts.lifetime.abandoned.aborted) this.parts.devices.doWhatIsDue();
    const { idle } = this.parts.context.schedule.plan;
    const isNew = this.parts.lifetime.notice(idle);
    // Even if the end was noticed before: the last canary may have come under observation only since then.
    if (this.isEnded) this.parts.canaries.stop();
    if (!isNew) return;
    const stopped = idle === 'stopped' ? this.parts.context.task.stopped?.() : undefined;
    if (idle !== 'no') this.parts.lifetime.willReport(this.#reportIdle(stopped));
  }

  /** Stores first: if the process ends in between, a summary may be lost, but never reported twice. */
  async #reportIdle(stopped: Promise<void> | undefined): Promise<void> {
    const summary = this.summary();
    await stopped;
    await this.parts.context.save();
    this.emit('idle', summary);
  }
}
