import { Firmware } from '../../src/firmware/firmware';
import { namedDevices } from '../../src/homie/select';
import { readSettings, settingNames } from '../../src/ota/settings';
import { checkOta, otaWork, otaWorkAgain, type OtaWish } from '../../src/rollout/ota-work';
import { readSettings as readRollout, settingNames as rolloutNames } from '../../src/rollout/settings';
import type { Work } from '../../src/rollout/work';
import { Actions, orThrow, type Done, type Errand } from '../shared/actions';
import { checkAnswer } from '../shared/message-summaries';
import { readChoice, type DeviceSetting } from './ota-request';
import { readOptions, type Request } from '../shared/request';
import type { UpdateSettings } from '../shared/update-settings';

/** The settings that a message may have. */
const optionNames = [...settingNames, ...rolloutNames, 'matchFirmware'];

/** The settings of a node. */
export interface OtaNodeSettings extends UpdateSettings {
  /** Returns the devices that the node selects if the message names none. */
  readonly devices: (msg: Request) => DeviceSetting;
}

/** The actions of a homie-ota node. */
export class OtaActions extends Actions<'update' | 'check', OtaNodeSettings> {
  protected override readonly actions = ['update', 'check'] as const;

  protected override async perform(action: 'update' | 'check', errand: Errand): Promise<Done> {
    if (action === 'check') {
      const { firmware, ...wish } = await this.#read({ msg: errand.msg, devices: [] });
      const checked = await checkOta(firmware, wish, this.given, this.closing);
      const devices = checked.devices.map((each) => {
        const { says: _, ...answer } = each;
        return answer;
      });
      errand.outbox.send('summary', checkAnswer({ ...checked, devices }));
      return undefined;
    }
    const { firmware, ...wish } = await this.#read(errand);
    return this.run(otaWork(firmware, wish, this.given), errand);
  }

  /** Reads a message. Sets the devices of the errand before it refuses anything else in the message. */
  async #read(errand: Pick<Errand, 'msg' | 'devices'>): Promise<OtaWish & { readonly firmware: Firmware }> {
    const { msg } = errand;
    const options = readOptions(msg['options'], optionNames);
    const matchFirmware = 'matchFirmware' in options ? options['matchFirmware'] : undefined;
    const choice = await readChoice({ device: msg['device'], matchFirmware }, this.settings.devices(msg));
    errand.devices = namedDevices(choice);
    const given = orThrow(options);
    const settings = readSettings(orThrow(this.settings.ota), given);
    const rollout = readRollout(orThrow(this.settings.rollout), given);
    this.broker();
    const firmware = await Firmware.from(msg['payload'], { checksum: msg['checksum'] });
    this.closing.throwIfAborted();
    return { firmware, choice, settings, rollout };
  }

  protected override remake(work: object, image: Buffer | undefined): Promise<Work> {
    return otaWorkAgain(work, image, this.given);
  }
}
