import type { HomieError } from '../src/errors';
import { Firmware } from '../src/firmware/firmware';
import { check } from '../src/ota/check';
import { OtaJob } from '../src/rollout/ota-job';
import { readSettings, type OtaSettings } from '../src/ota/settings';
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
  /** The devices that the node means where the message names none. */
  readonly devices: (msg: Request) => DeviceSetting;
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
    const choice = await readChoice(msg, this.#settings.devices(msg));
    if (action === 'update' && 'devices' in choice) errand.devices = choice.devices;
    const settings = readSettings(settled(this.#settings.ota), msg);
    const broker = this.broker();
    const firmware = await Firmware.from(msg['payload'], { checksum: msg['checksum'] });
    this.closing.throwIfAborted();
    if (action === 'update') return this.run(new OtaJob(broker, firmware, choice, settings), errand);
    const answer = await check(this.brokerInReach(), firmware, choice, settings, this.patience());
    outbox.send('summary', checkAnswer(answer));
    return undefined;
  }
}
