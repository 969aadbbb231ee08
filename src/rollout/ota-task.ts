import { canRewrite } from '../config/budget';
import { asHomieError } from '../errors';
import type { HomieBroker } from '../homie/broker';
import type { Device } from '../homie/device';
import { decidableAt, incomplete, isReady, lacking } from '../homie/presence';
import { namedDevices, type DeviceChoice } from '../homie/select';
import { inEnglish, phrase } from '../texts/text';
import { imageName } from '../update/firmware-name';
import type { Outcome, Update } from '../update/update';
import { decide } from '../ota/decide';
import { bringFirmware } from '../ota/exchange';
import { refuse } from '../ota/exchange-errors';
import {
  acknowledgedFlight,
  flashedFlight,
  flightOf,
  judgeImageInFlight,
  type ImageInFlight,
  type ImageInFlightEnd,
} from '../ota/in-flight';
import type { ImageOrigin } from '../library/choose';
import type { Image } from '../ota/image';
import type { OtaSettings } from '../ota/settings';
import type { Initial } from './entry';
import { ExchangeTask } from './exchange-task';
import { allowAgain, excluded, heldBecause, exclusionApplies, stoppedBecause, type Known } from './held-back';
import type { Author } from './store/history-record';
import { JobImage, type ReadAgain } from './job-image';
import type { Hooks, Task } from './task';

/** One image, the devices to update, and how to update them. */
export interface OtaTaskInput {
  readonly broker: HomieBroker;
  readonly firmware: Image;
  /** Reads the image again for a retry; undefined when the job is not stored. */
  readonly readAgain?: ReadAgain;
  readonly choice: DeviceChoice;
  readonly settings: OtaSettings;
  /** Where the image comes from; undefined if the message contains it. */
  readonly origin?: ImageOrigin | undefined;
  /** The author to record in the history. */
  readonly author?: Author | undefined;
}

interface OwnInput {
  readonly continuous: boolean;
  readonly author: Author | undefined;
  /** Whether failures had stopped the job before a restart. */
  readonly wasStopped: boolean;
}

/** Sends one image to devices. */
export class OtaTask extends ExchangeTask<ImageInFlight, OtaSettings> implements Task<ImageInFlight> {
  readonly stages = 'image';
  readonly initial: Initial;
  readonly #known: Known & { readonly firmware: JobImage };
  readonly #checksum: string;
  /** The MD5s that a device running the image may report; other than that of the file only once they were needed. */
  #meaning: ReadonlySet<string>;
  /** The devices to which this job has sent the image. */
  readonly #sent = new Set<string>();
  /** Whether failures have stopped this job itself. */
  #isStopped: boolean;

  constructor(known: Known & { readonly firmware: JobImage }, { wasStopped, ...own }: OwnInput) {
    const { name, md5: checksum, size } = known.firmware.info;
    super({ ...known, ...own, firmwareName: name });
    this.#isStopped = wasStopped;
    this.#known = known;
    this.#checksum = checksum;
    this.#meaning = new Set([checksum]);
    this.initial = { total: size, to: imageName(known.firmware.info) };
  }

  override async select(signal: AbortSignal): Promise<readonly string[]> {
    const ids = await super.select(signal);
    const named = new Set(namedDevices(this.input.choice));
    return ids.filter((id) => named.has(id) || this.#isFor(this.broker.registry.get(id)));
  }

  override admits(device: Device): boolean {
    return device.fwName?.value === this.#known.firmware.info.name && super.admits(device) && this.#isFor(device);
  }

  refuse(device: string): Outcome | undefined {
    const { broker } = this;
    if (exclusionApplies(this.#known, device)) return excluded;
    const error = refuse({ broker, device, firmware: this.#known.firmware, settings: this.input.settings });
    if (error !== undefined) return { state: 'rejected', error };
    // A device that is available is checked first, since it may already run the image.
    const runs = broker.registry.get(device)?.checksum?.value === this.#checksum;
    return runs || this.readyAt(device) !== undefined ? undefined : this.#stoppedBefore(device);
  }

  readyAt(device: string): number | undefined {
    return decidableAt(this.broker, device);
  }

  async look(id: string, asked: boolean): Promise<Outcome | undefined> {
    const { broker, firmware, history } = this.#known;
    if (exclusionApplies(this.#known, id)) return excluded;
    const device = broker.registry.get(id);
    if (device === undefined) return undefined;
    const lack = incomplete(broker, id) ?? (await firmware.load().then(() => undefined, asHomieError));
    if (lack !== undefined) return { state: 'rejected', error: lack };
    const decision = await decide(device, firmware, this.settingsFor(id, asked), broker);
    if (decision.kind === 'reject') return { state: 'rejected', error: decision.error };
    if (device.checksum !== undefined) {
      history.shows(this.broker.locks.keyOf(id), this.#checksum, await this.#means(device.checksum.value));
    }
    if (decision.kind === 'skip') {
      const { reason, hint } = decision;
      return this.#tookIt(id, { state: 'skipped', reason, ...(hint && { hint }) });
    }
    if (!this.#isStillOffered(id)) {
      return { state: 'skipped', reason: 'withdrawn', hint: inEnglish(phrase('notOffered')) };
    }
    const held = heldBecause(this.#known, id, asked);
    return held === undefined
      ? this.#stoppedBefore(id)
      : { state: 'skipped', reason: 'held', hint: held.map(inEnglish).join(' ') };
  }

  async exchange(device: string, { begin, asked, ...hooks }: Hooks<ImageInFlight>): Promise<Outcome | undefined> {
    const [broker, history, sent] = [this.broker, this.#known.history, this.#sent];
    const key = this.broker.locks.keyOf(device);
    const firmware = await this.#known.firmware.load();
    let flight: ImageInFlight | undefined;
    const wasSent = sent.has(device);
    let isReached = wasSent;
    const renew = (renewed: typeof flashedFlight): void => {
      const known = broker.registry.get(device);
      if (flight === undefined || known === undefined) return;
      const next = renewed(flight, known);
      if (next !== flight) void begin((flight = next));
    };
    const outcome = await bringFirmware({
      ...hooks,
      // Another rollout of the image may have been stopped since the decision, its offer withdrawn, or the device excluded.
      mayBegin: () => hooks.mayBegin() && (isReached || this.#maySend(device)),
      handedOver: () => {
        isReached = true;
        hooks.handedOver();
      },
      broker,
      device,
      firmware,
      settings: this.#withSafeRestart(device, this.settingsFor(device, asked)),
      begin: async (known) => {
        flight = flightOf(known);
        sent.add(device);
        // A device that wakes for a moment must not wait for the disk.
        const counted = history.begun(key, this.#checksum);
        const isPrepared = await begin(flight);
        if (!isPrepared) await counted;
        return isPrepared;
      },
      unsent: (missed) => {
        // A transfer that missed the device counts as an attempt: otherwise every wake would trigger another transfer.
        if (!missed) history.notSent(key, this.#checksum);
        if (!missed && !wasSent) sent.delete(device);
        hooks.unsent();
      },
      acknowledged: () => renew(acknowledgedFlight),
      flashed: () => renew(flashedFlight),
    });
    return outcome && this.#tookIt(device, outcome);
  }

  isWorthAnotherLook({ device, state, reason, error }: Update): boolean {
    const known = this.broker.registry.get(device);
    if (state === 'timed_out' || lacking.has(error?.code)) return isReady(this.broker, device);
    if (reason === 'stopped') return this.#stoppedBefore(device) === undefined;
    if (reason === 'excluded') return !exclusionApplies(this.#known, device);
    if (reason === 'ota_disabled') return known?.otaEnabled?.value === true;
    if (state !== 'succeeded' && reason !== 'up_to_date') return false;
    return known?.checksum !== undefined && !this.#meaning.has(known.checksum.value);
  }

  allowAgain(device: string): void {
    allowAgain(this.#known, device, this.#checksum);
  }

  stopped(): Promise<void> {
    this.#isStopped = true;
    return this.#known.history.stop(this.broker.locks.scope, this.#checksum);
  }

  goOn(): void {
    this.#isStopped = false;
    this.#known.history.endStop(this.broker.locks.scope, this.#checksum);
  }

  async ended(device: string, update: Update, resumed: boolean): Promise<void> {
    const { history } = this.#known;
    this.#sent.delete(device);
    const remembered = history.ended(this.broker.locks.keyOf(device), this.#checksum, this.authored(update), resumed);
    await Promise.all([remembered, this.#remember(device, update)]);
  }

  /** Remembers what runs on a device, as far as the device has shown it. */
  async #remember(device: string, { state, reason, from }: Update): Promise<void> {
    if (state !== 'succeeded' && reason !== 'up_to_date') return;
    const { library, firmware, origin } = this.#known;
    const reported = this.broker.registry.get(device)?.checksum?.value;
    const proof = {
      md5: this.#checksum,
      ...(reported !== undefined && this.#meaning.has(reported) && { reported }),
      ...(from.checksum !== undefined && { from: from.checksum }),
    };
    const isRollback = origin === 'previous' && state === 'succeeded';
    await library.proven(this.broker.locks.keyOf(device), { load: () => firmware.load(), ...proof, isRollback });
  }

  protected judgeFlight(device: string, flight: ImageInFlight, hooks: Hooks<ImageInFlight>): Promise<ImageInFlightEnd> {
    const { job, report, abandon, watchOn } = hooks;
    const [broker, firmware] = [this.broker, this.#known.firmware];
    const settings = this.#withSafeRestart(device, this.input.settings);
    this.#sent.add(device);
    return judgeImageInFlight({ broker, device, job, firmware, flight, settings, abandon, report, watchOn });
  }

  protected override settingsFor(device: string, asked: boolean): OtaSettings {
    const { attempts } = this.input.settings;
    const allowed = this.#known.history.mayTransfer(this.broker.locks.keyOf(device), this.#checksum, attempts);
    return { ...super.settingsFor(device, asked), attempts: allowed };
  }

  /** Restarts a device by an empty patch only if it can then write its configuration again and boot with it. */
  #withSafeRestart(device: string, settings: OtaSettings): OtaSettings {
    const { registry } = this.broker;
    return {
      ...settings,
      // Asked when it matters: the configuration may not be known before.
      get recoverReboot() {
        const { config, mac } = registry.get(device) ?? {};
        return settings.recoverReboot && canRewrite(config?.value, { mac: mac?.value });
      },
    };
  }

  async #means(reported: string): Promise<boolean> {
    if (reported !== this.#checksum) this.#meaning = await this.#known.firmware.checksums();
    return this.#meaning.has(reported);
  }

  /** Whether a device that nobody named gets the image: only what is on offer for it, or was proven on it before. */
  #isFor(device: Device | undefined): boolean {
    const { library, origin } = this.#known;
    if (origin === undefined) return true;
    const choice = device && library.choose(origin, this.broker.locks.scope, device);
    return choice !== undefined && 'image' in choice && choice.image.md5 === this.#checksum;
  }

  #isStillOffered(id: string): boolean {
    return this.#known.origin !== 'offer' || this.#isFor(this.broker.registry.get(id));
  }

  #maySend(device: string): boolean {
    const isBarred = this.#stoppedBefore(device) !== undefined || exclusionApplies(this.#known, device);
    return !isBarred && this.#isStillOffered(device);
  }

  #stoppedBefore(device: string): Outcome | undefined {
    const stopped = this.#isStopped ? undefined : stoppedBecause(this.#known, device);
    return stopped && { state: 'skipped', reason: 'stopped', hint: inEnglish(stopped) };
  }

  /**
   * Turns a skip into a success when this job has sent the image and a live checksum shows that it runs: the device
   * took the image although the transfer seemed to have missed it or to have been lost.
   */
  #tookIt(id: string, outcome: Outcome): Outcome {
    const isSkipped = outcome.state === 'skipped' && outcome.reason === 'up_to_date';
    const isShown = this.broker.registry.get(id)?.checksum?.live === true;
    return isSkipped && isShown && this.#sent.has(id) ? { state: 'succeeded', reboot: 'unproven' } : outcome;
  }
}
