import { asHomieError } from '../errors';
import type { HomieBroker } from '../homie/broker';
import { decidableAt, incomplete, isReady, lacking, whyNot } from '../homie/presence';
import { isMeant, namedDevices, selectDevices, type DeviceChoice } from '../homie/select';
import type { Outcome } from '../homie/update';
import { decide } from '../ota/decide';
import { bringFirmware, refuse } from '../ota/exchange';
import { flashedFlight, flightOf, judgeFlight, type Flight } from '../ota/flight';
import type { Image, ImageFacts } from '../ota/image';
import type { OtaSettings } from '../ota/settings';
import { History, type Held } from './history';
import { Job, type JobOptions } from './job';
import { JobImage, type ReadAgain } from './job-image';
import type { RolloutSettings } from './settings';
import type { Task } from './task';

/** What brings one firmware onto devices. */
export interface OtaTaskInput {
  readonly broker: HomieBroker;
  readonly firmware: Image;
  /** Reads it again for a retry; undefined where the job is not written down. */
  readonly readAgain?: ReadAgain;
  readonly choice: DeviceChoice;
  readonly settings: OtaSettings;
  /** What is remembered of devices and images beyond this job. */
  readonly history?: History;
}

/** One firmware for some devices. `run` rejects with NO_DEVICE, INVALID_DEVICE_ID, NO_MATCH or NOT_HOMIE. */
export class OtaJob extends Job {
  readonly #image: JobImage;

  constructor({ firmware, readAgain, ...input }: OtaTaskInput, settings: RolloutSettings, options: JobOptions = {}) {
    const image = new JobImage(firmware, readAgain);
    const task = otaTask({ ...input, firmware: image }, settings.continuous);
    super({ ...options, task, settings, devices: namedDevices(input.choice) });
    this.#image = image;
    this.on('rest', () => this.#releaseImage());
    this.#releaseImage();
  }

  override close(): void {
    super.close();
    this.#releaseImage();
  }

  /** Hundreds of jobs that have ended wait for a retry that seldom comes. */
  #releaseImage(): void {
    if (this.isEnded) this.#image.release();
  }
}

function otaTask(
  {
    broker,
    firmware,
    choice,
    settings,
    history = new History(),
  }: Omit<OtaTaskInput, 'firmware' | 'readAgain'> & { readonly firmware: JobImage },
  continuous: boolean,
): Task<Flight> {
  const { name, version, md5: checksum, size } = firmware.info;
  const key = (device: string): string => `${broker.locks.scope}${device}`;
  const settingsFor = (device: string, asked: boolean): OtaSettings => ({
    ...settings,
    force: settings.force && asked,
    attempts: history.mayTransfer(key(device), checksum, settings.attempts),
  });
  /** Every checksum that a device running the image may report, as far as that had to be known. */
  let meaning: ReadonlySet<string> = new Set([checksum]);
  const means = async (reported: string): Promise<boolean> => {
    if (reported !== checksum) meaning = new Set([checksum, ...(await firmware.alternativeChecksums())]);
    return meaning.has(reported);
  };
  /** Devices that this job has sent the image to. */
  const sent = new Set<string>();
  /** A device that was thought to have missed the image, or to have lost it, may have taken it all the same. */
  const tookIt = (id: string, outcome: Outcome): Outcome => {
    const isSkipped = outcome.state === 'skipped' && outcome.reason === 'up_to_date';
    const isShown = broker.registry.get(id)?.checksum?.live === true;
    return isSkipped && isShown && sent.has(id) ? { state: 'succeeded', reboot: 'unproven' } : outcome;
  };
  return {
    broker,
    stages: 'image',
    initial: {
      total: size,
      to: { checksum, size, ...(name !== undefined && { name }), ...(version !== undefined && { version }) },
    },
    select: (signal) => selectDevices(broker, choice, name, signal, continuous),
    admits: (device) => device.fwName?.value === name && isMeant(choice, device, name),
    refuse: (device) => refuse({ broker, device, firmware, settings }),
    readyAt: (device) => decidableAt(broker, device),
    missing: (device) => whyNot(broker, device),
    look: async (id, asked): Promise<Outcome | undefined> => {
      const device = broker.registry.get(id);
      if (device === undefined) return undefined;
      const lack = incomplete(broker, id);
      if (lack !== undefined) return { state: 'rejected', error: lack };
      const gone = await firmware.load().then(() => undefined, asHomieError);
      if (gone !== undefined) return { state: 'rejected', error: gone };
      const decision = await decide(device, firmware, settingsFor(id, asked));
      if (decision.kind === 'reject') return { state: 'rejected', error: decision.error };
      if (device.checksum !== undefined) history.shows(key(id), checksum, await means(device.checksum.value));
      if (decision.kind === 'skip') {
        const { reason, hint } = decision;
        return tookIt(id, { state: 'skipped', reason, ...(hint && { hint }) });
      }
      const hint = heldBecause({ broker, firmware, settings, history }, id, asked);
      return hint === undefined ? undefined : { state: 'skipped', reason: 'held', hint };
    },
    exchange: async (device, { begin, asked, ...hooks }) => {
      const image = await firmware.load();
      let flight: Flight | undefined;
      const wasSent = sent.has(device);
      const outcome = await bringFirmware({
        ...hooks,
        broker,
        device,
        firmware: image,
        settings: settingsFor(device, asked),
        begin: async (known) => {
          flight = flightOf(known);
          sent.add(device);
          await Promise.all([history.begun(key(device), checksum), begin(flight)]);
        },
        unsent: (missed) => {
          // An image that is missed counts, lest it goes over the network at every wake.
          if (!missed) history.notSent(key(device), checksum);
          if (!missed && !wasSent) sent.delete(device);
          hooks.unsent();
        },
        flashed: () => {
          const known = broker.registry.get(device);
          if (flight === undefined || known === undefined) return;
          flight = flashedFlight(flight, known);
          void begin(flight);
        },
      });
      return outcome && tookIt(device, outcome);
    },
    judge: async (device, flight, { job, report, abandon }) => {
      sent.add(device);
      const judged = await judgeFlight({ broker, device, job, firmware, flight, settings, abandon, report });
      const isOpen = judged.kind === 'ended' && judged.open !== undefined;
      if (!isOpen) await broker.locks.rebooted(device);
      return judged.kind === 'again' ? 'again' : judged.outcome;
    },
    isWorthAnotherLook: ({ device, state, reason, error }) => {
      const known = broker.registry.get(device);
      if (state === 'timed_out' || lacking.has(error?.code)) return isReady(broker, device);
      if (reason === 'ota_disabled') return known?.otaEnabled?.value === true;
      if (state !== 'succeeded' && reason !== 'up_to_date') return false;
      return known?.checksum !== undefined && !meaning.has(known.checksum.value);
    },
    allowAgain: (device) => history.allowAgain(key(device), checksum),
    ended: (device, update, resumed) => {
      sent.delete(device);
      return history.ended(key(device), checksum, update, resumed);
    },
  };
}

/** Why a device is not sent an image again unless the user says so, in words; undefined when it may be sent. */
export function heldBecause(
  {
    broker,
    firmware,
    settings,
    history,
  }: Required<Pick<OtaTaskInput, 'broker' | 'settings' | 'history'>> & { readonly firmware: ImageFacts },
  device: string,
  asked = true,
): string | undefined {
  const held = history.heldBecause(`${broker.locks.scope}${device}`, firmware.info.md5, settings.attempts, asked);
  return held && `${reasons[held]} The action retry sends it all the same.`;
}

const reasons: Record<Held, string> = {
  OLD_FIRMWARE: 'It came back with the old firmware after this image.',
  OTHER_FIRMWARE: 'It came back with another firmware after this image.',
  NOT_BACK: 'It did not come back after this image.',
  ATTEMPTS: 'This image was sent to it as often as is allowed.',
  REPLACED: 'It had this image, and runs another one since.',
};
