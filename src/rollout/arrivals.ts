import type { DeviceEvent } from '../homie/device';
import type { JobContext, JobDevice } from './job-device';
import type { JobDevices } from './job-devices';

/** Adds devices to a continuous job when they appear, and restarts devices that report other firmware. */
export class Arrivals {
  readonly #context: JobContext;
  readonly #devices: JobDevices;
  readonly #isContinuous: boolean;
  #isOpen: boolean;

  /**
   * @param isContinuous whether the job accepts devices that appear later
   * @param wasClosed whether it was closed before a restart
   */
  constructor(context: JobContext, devices: JobDevices, isContinuous: boolean, wasClosed: boolean) {
    this.#context = context;
    this.#devices = devices;
    this.#isContinuous = isContinuous;
    this.#isOpen = isContinuous && !wasClosed;
  }

  get isOpen(): boolean {
    return this.#isOpen;
  }

  /** Whether a continuous job was closed. */
  get isClosed(): boolean {
    return this.#isContinuous && !this.#isOpen;
  }

  listen(): void {
    if (!this.#isOpen) return;
    const { task, lifetime } = this.#context;
    task.broker.registry.on('event', this.#hear);
    lifetime.abandoned.addEventListener('abort', () => this.#stop(), { once: true });
  }

  /** Accepts no more devices. */
  close(): void {
    this.#isOpen = false;
    this.#stop();
  }

  /** Returns whether the job accepts this device when it appears. */
  claims(id: string): boolean {
    const { task } = this.#context;
    const device = task.broker.registry.get(id);
    return this.#isOpen && device !== undefined && task.admits(device);
  }

  readonly #hear = (id: string, { attribute }: DeviceEvent): void => {
    if (attribute !== 'state' && attribute !== 'fwName' && attribute !== 'checksum') return;
    if (!this.#devices.isAdmitted || !this.claims(id)) return;
    const device = this.#devices.get(id);
    if (device === undefined) {
      this.#devices.enter(id).markUnasked();
      this.#devices.add([id]);
      void this.#context.save();
    } else if (this.#isWorthAnotherLook(device)) this.#devices.again([device]);
  };

  /** Does not check locks: if another job has the device, this job waits for it, and then decides again. */
  #isWorthAnotherLook({ id, update }: JobDevice): boolean {
    const { task } = this.#context;
    return this.#devices.hasEnded(id) && task.readyAt(id) !== undefined && task.isWorthAnotherLook(update);
  }

  #stop(): void {
    this.#context.task.broker.registry.off('event', this.#hear);
  }
}
