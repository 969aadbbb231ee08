import type { HomieError } from '../src/errors';
import { Firmware } from '../src/firmware/firmware';
import { namedDevices, selectDevices } from '../src/homie/select';
import { check, type CheckSummary } from '../src/ota/check';
import { defaultSettings, readSettings, type OtaSettings } from '../src/ota/settings';
import type { ReadAgain } from '../src/rollout/job-image';
import { heldBecause, OtaJob } from '../src/rollout/ota-job';
import { Releases } from '../src/rollout/releases';
import {
  defaultSettings as defaultRollout,
  readSettings as readRollout,
  type RolloutSettings,
} from '../src/rollout/settings';
import type { DeviceChoice } from '../src/homie/select';
import { Actions, settled, type Errand, type KEPT, type Surroundings } from './actions';
import { checkAnswer } from './answers';
import { readChoice, type DeviceSetting } from './ota-request';
import type { Request } from './request';
import type { Work } from './work';

/** What a node is set to. */
export interface OtaNodeSettings {
  /** The settings, or what is wrong with them. */
  readonly ota: OtaSettings | HomieError;
  readonly rollout: RolloutSettings | HomieError;
  /** The devices that the node means where the message names none. */
  readonly devices: (msg: Request) => DeviceSetting;
}

/** A job as plain data. */
interface OtaRecord {
  readonly choice: DeviceChoice;
  readonly settings: OtaSettings;
  readonly rollout: RolloutSettings;
}

/** What can be done with a firmware. */
export class OtaActions extends Actions<'update' | 'check'> {
  protected override readonly actions = ['update', 'check'] as const;
  readonly #settings: OtaNodeSettings;
  readonly #unfollow: () => void;

  constructor(settings: OtaNodeSettings, around: Surroundings) {
    super(around);
    this.#settings = settings;
    const { link, jobs } = around;
    this.#unfollow = 'broker' in link ? Releases.of(link.broker).follow(jobs.desk) : () => undefined;
  }

  override async close(removed: boolean): Promise<void> {
    this.#unfollow();
    await super.close(removed);
  }

  /**
   * Tells what an update with this message would do to each device, and sends nothing.
   *
   * @throws {HomieError} as an update with it would; why there is no connection
   */
  async check(msg: Request): Promise<CheckSummary> {
    const choice = await readChoice(msg, this.#settings.devices(msg));
    const { firmware, settings, rollout } = await this.#read(msg);
    const input = { broker: this.brokerInReach(), firmware, settings, history: this.around.history };
    return check(input.broker, firmware, choice, settings, {
      signal: this.closing,
      heldBecause: (device) => heldBecause(input, device),
      exclude: rollout.exclude,
    });
  }

  protected override async perform(
    action: 'update' | 'check',
    errand: Errand,
  ): Promise<HomieError | typeof KEPT | undefined> {
    const { msg, outbox } = errand;
    if (action === 'check') {
      outbox.send('summary', checkAnswer(await this.check(msg)));
      return undefined;
    }
    const choice = await readChoice(msg, this.#settings.devices(msg));
    errand.devices = namedDevices(choice);
    const { firmware, settings, rollout } = await this.#read(msg);
    return this.run(this.#work(firmware, { choice, settings, rollout }), errand);
  }

  async #read(
    msg: Request,
  ): Promise<{ readonly firmware: Firmware; readonly settings: OtaSettings; readonly rollout: RolloutSettings }> {
    const settings = readSettings(settled(this.#settings.ota), msg);
    const rollout = readRollout(settled(this.#settings.rollout), msg);
    this.broker();
    const firmware = await Firmware.from(msg['payload'], { checksum: msg['checksum'] });
    this.closing.throwIfAborted();
    return { firmware, settings, rollout };
  }

  protected override async remake(work: Partial<OtaRecord>, image: Buffer | undefined): Promise<Work> {
    const { choice = { devices: [] }, settings, rollout } = work;
    return this.#work(await Firmware.from(image), {
      choice,
      settings: { ...defaultSettings, ...settings },
      rollout: { ...defaultRollout, ...rollout },
    });
  }

  #work(firmware: Firmware, work: OtaRecord): Work {
    const { choice, settings, rollout } = work;
    const { history } = this.around;
    const broker = this.broker();
    Releases.of(broker).give(firmware);
    const { md5, name } = firmware.info;
    const readAgain = rollout.persist ? this.#reader(md5) : undefined;
    const forAll = 'runningThisFirmware' in choice;
    const order = { identity: md5, ...(name !== undefined && { subject: name }), forAll };
    return {
      brings: 'image',
      settings: { ...settings, ...rollout },
      order,
      select: (signal) => selectDevices(broker, choice, name, signal, rollout.continuous),
      make: (options) =>
        new OtaJob({ broker, firmware, ...(readAgain && { readAgain }), choice, settings, history }, rollout, options),
      ...(rollout.persist && {
        record: { order, keep: rollout.keep, work, firmware: { md5, image: firmware.image } },
      }),
    };
  }

  /** Apart from `#work`: what reads an image again must not hold it. */
  #reader(md5: string): ReadAgain | undefined {
    const { store } = this.around;
    return store && (async () => Firmware.from(await store.firmware(md5)));
  }
}
