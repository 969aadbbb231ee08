import { Firmware } from '../../src/firmware/firmware';
import { selectDevices, type DeviceChoice } from '../../src/homie/select';
import type { Summary } from '../../src/homie/update';
import type { OtaSettings } from '../../src/ota/settings';
import { Desk } from '../../src/rollout/desk';
import { History } from '../../src/rollout/history';
import type { Job } from '../../src/rollout/job';
import { OtaJob } from '../../src/rollout/ota-job';
import type { RolloutSettings } from '../../src/rollout/settings';
import { patient, sequential } from '../ota/lab';
import { buildEsp8266Image } from '../support/images';
import type { Home } from './home';

/** Images of one firmware name and version, which differ in their bytes. */
export const image = (seed: number): Buffer =>
  buildEsp8266Image({ name: 'my-light', version: '1.0.0', size: 40_000, seed });

/** What a message asks for. */
export interface Errand {
  readonly rollout?: Partial<RolloutSettings>;
  readonly ota?: Partial<OtaSettings>;
}

/** The desk of a node that brings firmware onto the devices of a home. */
export class Errands {
  readonly desk = new Desk();
  readonly history: History;
  readonly #home: Home;

  /** @param history nodes share it */
  constructor(home: Home, history = new History()) {
    this.#home = home;
    this.history = history;
  }

  /**
   * Joins the job that brings the same image, or begins one. Resolves when its devices are found.
   *
   * @param devices ids and patterns, or all that run this firmware
   */
  async ask(
    bytes: Buffer,
    devices: readonly string[] | 'all',
    { rollout, ota }: Errand = {},
  ): Promise<{ job: Job; ended: Promise<Summary> }> {
    const { broker, clock } = this.#home;
    const firmware = await Firmware.from(bytes);
    // They are reckoned once; what is decided of a device takes no time then.
    await firmware.alternativeChecksums();
    const { md5, name } = firmware.info;
    const choice: DeviceChoice = devices === 'all' ? { runningThisFirmware: true } : { devices };
    const order = { identity: md5, ...(name !== undefined && { subject: name }), forAll: devices === 'all' };
    const open = this.desk.find(md5);
    if (open !== undefined) {
      const found = this.desk.takingOver(order, (signal) => selectDevices(broker, choice, name, signal));
      return { job: open, ...(await this.#home.join(open, found)) };
    }
    const job = new OtaJob(
      { broker, firmware, choice, settings: { ...patient, ...ota }, history: this.history },
      { ...sequential, expires: 3_600_000, ...rollout },
      { clock, before: (device) => this.desk.finished(order, device) },
    );
    this.desk.add(job, order);
    return { job, ...(await this.#home.begin(job, (all) => this.desk.takingOver(order, all))) };
  }

  /** What became of the devices of a job, in the order of their results: `device state`, and why. */
  ends(job: Job): string[] {
    return this.#home.results
      .filter((result) => result.job === job.id)
      .map(({ device, state, reason, error }) => [device, state, reason ?? error?.code].filter(Boolean).join(' '));
  }

  async close(): Promise<void> {
    await Promise.all(this.desk.jobs.map((job) => job.abandon()));
  }
}
