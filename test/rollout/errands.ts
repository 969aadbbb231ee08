import { Firmware } from '../../src/firmware/firmware';
import type { Summary } from '../../src/update/update';
import type { OtaSettings } from '../../src/ota/settings';
import type { Job } from '../../src/rollout/job';
import { otaWork, type OtaWish } from '../../src/rollout/ota-work';
import { Queue } from '../../src/rollout/queue';
import type { RolloutSettings } from '../../src/rollout/settings';
import { patient, sequential } from '../ota/lab';
import { buildEsp8266Image } from '../support/images';
import type { Home } from './home';

/** Returns an image. All have the same name and version, and differ in their bytes. */
export const image = (seed: number): Buffer =>
  buildEsp8266Image({ name: 'my-light', version: '1.0.0', size: 40_000, seed });

/** The settings of a message. */
interface Errand {
  readonly rollout?: Partial<RolloutSettings>;
  readonly ota?: Partial<OtaSettings>;
}

/** A node that updates the devices of a home. */
export class Errands {
  readonly queue: Queue;
  readonly node: string;
  readonly #home: Home;

  /** @param node id of the node */
  constructor(home: Home, node = 'node') {
    this.#home = home;
    this.node = node;
    this.queue = Queue.of(home.broker);
  }

  /**
   * Requests an update as a message does. Resolves when the job has found its devices.
   *
   * @param devices ids and patterns, or `all` that run this firmware
   */
  async ask(
    bytes: Buffer,
    devices: readonly string[] | 'all',
    { rollout, ota }: Errand = {},
  ): Promise<{ job: Job; isAgain: boolean; ended: Promise<Summary> }> {
    const { broker, clock } = this.#home;
    const firmware = await Firmware.from(bytes);
    // The checksums are computed once, so that decisions about devices take no time.
    await firmware.checksums();
    const wish: OtaWish = {
      choice: devices === 'all' ? { runningThisFirmware: true } : { devices },
      settings: { ...patient, ...ota },
      rollout: { ...sequential, expires: 3_600_000, ...rollout },
    };
    const work = otaWork(firmware, wish, { broker, clock });
    const { job, isAgain, run } = await this.queue.ask({ node: this.node, store: undefined }, work, {});
    if (isAgain) return { job, isAgain, ended: run() };
    return { job, isAgain, ...(await this.#home.begin(job, run)) };
  }

  /** Returns how the devices of a job have ended, in the order of their results: `device state`, and the reason. */
  ends(job: Job): string[] {
    return this.#home.results
      .filter((result) => result.job === job.id)
      .map(({ device, state, reason, error }) => [device, state, reason ?? error?.code].filter(Boolean).join(' '));
  }

  async close(): Promise<void> {
    await this.queue.leave(this.node, false);
  }
}
