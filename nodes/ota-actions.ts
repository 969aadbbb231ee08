import type { HomieError } from '../src/errors';
import { Firmware } from '../src/firmware/firmware';
import { namedDevices, selectDevices } from '../src/homie/select';
import { check } from '../src/ota/check';
import { readSettings, type OtaSettings } from '../src/ota/settings';
import type { History } from '../src/rollout/history';
import { heldBecause, OtaJob } from '../src/rollout/ota-job';
import { readSettings as readRollout, type RolloutSettings } from '../src/rollout/settings';
import type { JobOptions } from '../src/rollout/job';
import { Actions, settled, type Errand } from './actions';
import { checkAnswer } from './answers';
import type { BrokerLink } from './broker-node';
import type { Jobs } from './jobs';
import { readChoice, type DeviceSetting } from './ota-request';
import type { Request } from './request';

/** What a node is set to. */
export interface OtaNodeSettings {
  readonly link: BrokerLink;
  /** The settings, or what is wrong with them. */
  readonly ota: OtaSettings | HomieError;
  readonly rollout: RolloutSettings | HomieError;
  /** The devices that the node means where the message names none. */
  readonly devices: (msg: Request) => DeviceSetting;
  readonly history: History;
}

/** What can be done with a firmware. */
export class OtaActions extends Actions<'update' | 'check'> {
  protected override readonly actions = ['update', 'check'] as const;
  readonly #settings: OtaNodeSettings;

  constructor(settings: OtaNodeSettings, jobs: Jobs) {
    super(settings.link, jobs);
    this.#settings = settings;
  }

  protected override async perform(action: 'update' | 'check', errand: Errand): Promise<HomieError | undefined> {
    const { msg, outbox } = errand;
    const { history } = this.#settings;
    const choice = await readChoice(msg, this.#settings.devices(msg));
    if (action === 'update') errand.devices = namedDevices(choice);
    const settings = readSettings(settled(this.#settings.ota), msg);
    const rollout = readRollout(settled(this.#settings.rollout), msg);
    const broker = this.broker();
    const firmware = await Firmware.from(msg['payload'], { checksum: msg['checksum'] });
    this.closing.throwIfAborted();
    const input = { broker, firmware, settings, history };
    if (action === 'check') {
      const answer = await check(this.brokerInReach(), firmware, choice, settings, {
        signal: this.patience(),
        heldBecause: (device) => heldBecause(input, device),
        exclude: rollout.exclude,
      });
      outbox.send('summary', checkAnswer(answer));
      return undefined;
    }
    const { md5, name } = firmware.info;
    const forAll = 'runningThisFirmware' in choice;
    const work = {
      order: { identity: md5, ...(name !== undefined && { subject: name }), forAll },
      select: (signal: AbortSignal) => selectDevices(broker, choice, name, signal),
      make: (options: JobOptions) => new OtaJob({ ...input, choice }, rollout, options),
    };
    return this.run(work, errand);
  }
}
