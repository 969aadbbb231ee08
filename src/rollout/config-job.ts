import { endUnsent } from '../config/report';
import { bringPatch } from '../config/exchange';
import {
  patchInFlightOf,
  judgePatchInFlight,
  receivedFlight,
  type PatchInFlight,
  type PatchInFlightEnd,
} from '../config/in-flight';
import type { JsonObject } from '../config/json';
import { checkDevicePatch, readyAt } from '../config/check-device';
import type { ConfigSettings } from '../config/settings';
import { judgeMissed, stillAsleep, type MissedPatch } from '../config/missed';
import { HomieError } from '../errors';
import type { HomieBroker } from '../homie/broker';
import { isReady, lacking } from '../homie/presence';
import { namedDevices } from '../homie/select';
import type { Outcome, Update } from '../update/update';
import { ExchangeTask } from './exchange-task';
import { Queue } from './queue';
import type { Author } from './store/history-record';
import { Job } from './job';
import type { JobOptions } from './job-view';
import type { RolloutSettings } from './settings';
import type { Hooks, Task } from './task';

/** One patch, the devices to change, and how to change them. */
export interface ConfigTaskInput {
  readonly broker: HomieBroker;
  /** As `readPatch` returns it: a copy that is never changed. */
  readonly patch: JsonObject;
  readonly devices: readonly string[];
  readonly settings: ConfigSettings;
  /** The author to record in the history. */
  readonly author?: Author | undefined;
  /** The secret values of the patch were lost in a restart, so nothing can be sent. */
  readonly incomplete?: boolean;
}

/**
 * A job that sends one patch to devices. `run` rejects with NO_DEVICE, INVALID_DEVICE_ID or NO_MATCH.
 *
 * After it has run, keep it and call `abandon` on closing: it still observes devices that did not reboot in time, and
 * emits their results as a `progress` marked `late`.
 */
export class ConfigJob extends Job {
  constructor(input: ConfigTaskInput, settings: RolloutSettings, options: JobOptions = {}) {
    const task = new ConfigTask(input, settings.continuous);
    super({ ...options, task, settings, devices: namedDevices({ devices: input.devices }) });
  }
}

class ConfigTask extends ExchangeTask<PatchInFlight, ConfigSettings> implements Task<PatchInFlight> {
  readonly stages = 'patch';
  readonly initial = { total: 0 };
  readonly #change: ConfigTaskInput;
  /** Patches that were sent to devices as they fell asleep, by device. */
  readonly #missed = new Map<string, MissedPatch>();

  constructor(change: ConfigTaskInput, continuous: boolean) {
    super({ ...change, choice: change, continuous });
    this.#change = change;
  }

  refuse(): Outcome | undefined {
    return this.#change.incomplete === true
      ? { state: 'rejected', error: new HomieError('SECRET_NOT_KEPT') }
      : undefined;
  }

  readyAt(device: string): number | undefined {
    return readyAt(this.broker, device);
  }

  mayHaveTaken(device: string): boolean {
    return this.#missed.has(device);
  }

  override missing(device: string): HomieError {
    return this.mayHaveTaken(device) ? stillAsleep() : super.missing(device);
  }

  async look(device: string, asked: boolean): Promise<Outcome | undefined> {
    const { broker } = this;
    const [known, missed, settings] = [
      broker.registry.get(device),
      this.#missed.get(device),
      this.settingsFor(device, asked),
    ];
    const outcome = missed && known && judgeMissed(missed, known);
    return outcome ?? endUnsent(checkDevicePatch(broker, known, this.#change.patch, settings));
  }

  exchange(device: string, { asked, begin, report, ...hooks }: Hooks<PatchInFlight>): Promise<Outcome | undefined> {
    const { broker } = this;
    let flight: PatchInFlight | undefined;
    return bringPatch({
      ...hooks,
      broker,
      device,
      patch: this.#change.patch,
      settings: this.settingsFor(device, asked),
      begin: (known, check, done) => {
        flight = patchInFlightOf(known, check, done, this.input.settings);
        return begin(flight);
      },
      report: (change) => {
        report(change);
        const known = broker.registry.get(device);
        if (change.phase !== 'received' || flight === undefined || known === undefined) return;
        flight = receivedFlight(flight, known);
        void begin(flight);
      },
      before: this.#missed.get(device),
      missed: (missed) => this.#missed.set(device, missed),
    });
  }

  isWorthAnotherLook({ device, state, error }: Update): boolean {
    if (state === 'timed_out') return true;
    const lacked = lacking.has(error?.code) || error?.code === 'CONFIG_UNKNOWN';
    return lacked && isReady(this.broker, device) && this.broker.registry.get(device)?.config !== undefined;
  }

  async ended(device: string, update: Update, resumed: boolean): Promise<void> {
    this.#missed.delete(device);
    const { history } = Queue.of(this.broker);
    await history.remember(this.broker.locks.keyOf(device), this.authored(update), resumed);
  }

  protected judgeFlight(
    device: string,
    flight: PatchInFlight,
    { report, abandon, watchOn }: Hooks<PatchInFlight>,
  ): Promise<PatchInFlightEnd> {
    const { settings } = this.input;
    return judgePatchInFlight({ broker: this.broker, device, flight, settings, abandon, report, watchOn });
  }
}
