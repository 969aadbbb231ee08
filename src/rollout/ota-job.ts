import { namedDevices } from '../homie/select';
import { Job } from './job';
import type { JobOptions } from './job-view';
import { JobImage } from './job-image';
import { Queue } from './queue';
import type { RolloutSettings } from './settings';
import { OtaTask, type OtaTaskInput } from './ota-task';

/** A job that sends one image to devices. `run` rejects with NO_DEVICE, INVALID_DEVICE_ID, NO_MATCH or NOT_HOMIE. */
export class OtaJob extends Job {
  readonly #image: JobImage;

  constructor(
    { firmware, readAgain, author, ...input }: OtaTaskInput,
    settings: RolloutSettings,
    options: JobOptions = {},
  ) {
    const image = new JobImage(firmware, readAgain);
    const { history, library } = Queue.of(input.broker);
    const wasStopped = options.restored?.state.plan.mode === 'stopped';
    const known = { ...input, firmware: image, history, library };
    const task = new OtaTask(known, { continuous: settings.continuous, author, wasStopped });
    super({ ...options, task, settings, devices: namedDevices(input.choice) });
    this.#image = image;
    this.on('idle', () => this.#releaseImage());
    this.#releaseImage();
  }

  override close(): void {
    super.close();
    this.#releaseImage();
  }

  /** Frees the image of an ended job: hundreds of such jobs may wait for a retry that rarely comes. */
  #releaseImage(): void {
    if (this.isEnded) this.#image.release();
  }
}
