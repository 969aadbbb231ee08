import { randomUUID } from 'node:crypto';
import { Firmware } from '../../src/firmware/firmware';
import { asHomieError, HomieError } from '../../src/errors';
import { namedDevices } from '../../src/homie/select';
import type { Library } from '../../src/library/library';
import type { ImageOrigin } from '../../src/library/choose';
import type { CheckSummary } from '../../src/ota/check';
import { otaSettingNames, readOtaSettings } from '../../src/ota/settings';
import { divideByImage, type ByImage } from '../../src/rollout/by-image';
import { checkImages } from '../../src/rollout/check-images';
import { checkOta, otaWork, otaWorkAgain, type OtaWish } from '../../src/rollout/ota-work';
import { Queue } from '../../src/rollout/queue';
import { tally } from '../../src/tally';
import { readRolloutSettings, rolloutSettingNames } from '../../src/rollout/settings';
import type { Work } from '../../src/rollout/work';
import { Actions, orThrow, type Answering } from '../shared/actions';
import { together, type Done } from '../shared/done';
import { readChecksum } from '../shared/history-answer';
import { checkAnswer, withoutSays } from '../shared/message-summaries';
import type { Part } from '../shared/replies';
import { isAbsent, readOptions, type Request } from '../shared/request';
import type { UpdateSettings } from '../shared/update-settings';
import { offerAnswer, withdrawAnswer } from './library-answers';
import { readChoice, readReplace, refuseUnread, type DeviceSetting } from './ota-request';

/** The settings that a message may have. */
const optionNames = [...otaSettingNames, ...rolloutSettingNames, 'matchFirmware'];

/** The settings of a node. */
export interface OtaNodeSettings extends UpdateSettings {
  /** Returns the devices that the node selects if the message names none. */
  readonly devices: (msg: Request) => DeviceSetting;
}

type OtaAction = 'update' | 'check' | 'offer' | 'withdraw' | 'rollback';

/** The actions of a homie-ota node. */
export class OtaActions extends Actions<OtaAction, OtaNodeSettings> {
  protected override readonly actions = ['update', 'check', 'offer', 'withdraw', 'rollback'] as const;

  protected override async perform(action: OtaAction, answering: Answering): Promise<Done> {
    switch (action) {
      case 'update':
        return this.#update(answering);
      case 'check':
        return this.#check(answering);
      case 'offer':
        return this.#offer(answering);
      case 'withdraw':
        return this.#withdraw(answering);
      case 'rollback':
        return this.#fromLibrary('previous', answering);
    }
  }

  protected override remake(work: object, image: Firmware | undefined): Promise<Work> {
    return otaWorkAgain(work, image, this.given);
  }

  async #update(answering: Answering): Promise<Done> {
    if (isAbsent(answering.msg['payload'])) return this.#fromLibrary('offer', answering);
    const wish = await this.#readWish(answering);
    const firmware = await this.#readFirmware(answering.msg);
    if ('runningThisFirmware' in wish.choice) await this.#offerToo(firmware);
    return this.run(otaWork(firmware, wish, this.given), answering);
  }

  async #check({ msg, replies }: Answering): Promise<Done> {
    const wish = await this.#readWish({ msg, devices: [] });
    refuseUnread(msg);
    const { given, closing } = this;
    if (!isAbsent(msg['payload'])) {
      const check = await checkOta(await this.#readFirmware(msg), wish, given, closing);
      replies.send('summary', checkAnswer(withoutTexts(check)));
      return undefined;
    }
    const divided = await this.#divide('offer', wish);
    const devices = (await checkImages(divided, { ...wish, origin: 'offer' }, given, closing)).map(withoutSays);
    replies.send('summary', checkAnswer({ counts: tally(devices.map(({ verdict }) => verdict)), devices }));
    return undefined;
  }

  async #offer({ msg, replies }: Answering): Promise<Done> {
    const options = orThrow(readOptions(msg['options'], [...optionNames, 'replace']));
    const replace = readReplace(options['replace']);
    const firmware = await this.#readFirmware(msg);
    await this.around.store?.openOrThrow();
    const offered = await this.#library.offer(this.#scope, firmware, replace);
    replies.send('summary', offerAnswer(this.broker(), this.#library, offered));
    return undefined;
  }

  async #withdraw({ msg, replies }: Answering): Promise<Done> {
    orThrow(readOptions(msg['options'], optionNames));
    const checksum = isAbsent(msg['payload'])
      ? readChecksum(msg['checksum'])
      : (await this.#readFirmware(msg)).info.md5;
    if (checksum === undefined) throw new HomieError('NOT_ON_OFFER.unnamed');
    await this.around.store?.openOrThrow();
    replies.send('summary', withdrawAnswer(await this.#library.withdraw(this.#scope, checksum)));
    return undefined;
  }

  /** Sends each device its image from the library, in one job for each image. */
  async #fromLibrary(origin: ImageOrigin, answering: Answering): Promise<Done> {
    const wish = await this.#readWish(answering);
    if (origin === 'offer') refuseUnread(answering.msg);
    if (origin === 'previous' && !('devices' in wish.choice)) throw new HomieError('NO_DEVICE.rollback');
    const { groups, without } = await this.#divide(origin, wish);
    const settings = origin === 'previous' ? { ...wish.settings, allowDowngrade: true } : wish.settings;
    const count = groups.length + (without.length > 0 ? 1 : 0);
    const id = randomUUID();
    const partOf = (index: number): Part => ({ id, index, count });
    const ends = groups.map(async ({ image, choice, devices }, index) => {
      const part = { ...answering, devices: namedDevices({ devices }), replies: answering.replies.part(partOf(index)) };
      return this.attempt(part, async () => {
        const firmware = await this.#library.read(image.md5);
        return this.run(otaWork(firmware, { ...wish, choice, settings, origin }, this.given), part);
      });
    });
    if (without.length > 0)
      ends.push(Promise.resolve(this.endEach(without, answering.replies.part(partOf(count - 1)))));
    return together(await Promise.all(ends));
  }

  async #divide(origin: ImageOrigin, { choice, rollout }: OtaWish): Promise<ByImage> {
    const { continuous, exclude } = rollout;
    const { closing: signal } = this;
    const broker = this.brokerInReach();
    return divideByImage({ broker, library: this.#library, origin, choice, exclude, continuous, signal });
  }

  /** Reads a message. Sets the devices of the answer before it refuses anything else in the message. */
  async #readWish(answering: Pick<Answering, 'msg' | 'devices'>): Promise<OtaWish> {
    const { msg } = answering;
    const options = readOptions(msg['options'], optionNames);
    const matchFirmware = 'matchFirmware' in options ? options['matchFirmware'] : undefined;
    const choice = await readChoice({ device: msg['device'], matchFirmware }, this.settings.devices(msg));
    answering.devices = namedDevices(choice);
    const given = orThrow(options);
    const settings = readOtaSettings(orThrow(this.settings.ota), given);
    const rollout = readRolloutSettings(orThrow(this.settings.rollout), given);
    this.broker();
    return { choice, settings, rollout };
  }

  async #readFirmware(msg: Request): Promise<Firmware> {
    this.broker();
    refuseUnread(msg);
    const firmware = await Firmware.from(msg['payload'], { checksum: msg['checksum'] }).catch(withWayOut);
    this.closing.throwIfAborted();
    return firmware;
  }

  /**
   * Offers the image of an update for all devices that run the firmware. An error of the offer does not stop the
   * update.
   */
  async #offerToo(firmware: Firmware): Promise<void> {
    await this.around.store?.openOrThrow();
    await this.#library.offer(this.#scope, firmware).catch(() => undefined);
  }

  get #library(): Library {
    return Queue.of(this.broker()).library;
  }

  get #scope(): string {
    return this.broker().locks.scope;
  }
}

/** Adds to the hint: a payload that is empty or a timestamp may come from an inject node, to send what is on offer. */
function withWayOut(reason: unknown): never {
  const error = asHomieError(reason);
  if (error.code !== 'FIRMWARE_EMPTY' && error.key !== 'PAYLOAD_TYPE.otherType') throw error;
  const hint = `${error.hint} To send the firmware on offer, remove msg.payload.`;
  throw new HomieError(error.key, error.values, { hint });
}

/** Returns a check without its texts for other languages, which are for the editor. */
function withoutTexts({ devices, ...checked }: CheckSummary) {
  return { ...checked, devices: devices.map(withoutSays) };
}
