import { endUnsent } from '../config/report';
import { bringPatch, readyAt } from '../config/exchange';
import { configFlightOf, judgeConfigFlight, receivedFlight, type ConfigFlight } from '../config/flight';
import type { JsonObject } from '../config/json';
import { checkKnown } from '../config/known';
import type { ConfigSettings } from '../config/settings';
import { HomieError } from '../errors';
import type { HomieBroker } from '../homie/broker';
import { isReady, lacking, whyNot } from '../homie/presence';
import { isMeant, namedDevices, selectDevices, type DeviceChoice } from '../homie/select';
import { History } from './history';
import { Job, type JobOptions } from './job';
import type { RolloutSettings } from './settings';
import type { Task } from './task';

/** What brings one patch onto devices. */
export interface ConfigTaskInput {
  readonly broker: HomieBroker;
  /** As `readPatch` gives it: a copy that nobody changes any more. */
  readonly patch: JsonObject;
  readonly devices: readonly string[];
  readonly settings: ConfigSettings;
  readonly history?: History;
  /** Secret values of the patch are gone since a restart: nothing can be sent any more. */
  readonly incomplete?: boolean;
}

/**
 * One patch for some devices. `run` rejects with NO_DEVICE, INVALID_DEVICE_ID or NO_MATCH.
 *
 * When it has run, keep it and call `abandon` on closing, until `afterwards` resolves: a device that did not reboot in
 * time is watched on, and what becomes of it comes as a `progress` marked `late`.
 */
export class ConfigJob extends Job {
  constructor(input: ConfigTaskInput, settings: RolloutSettings, options: JobOptions = {}) {
    super({
      ...options,
      task: configTask(input, settings.continuous),
      settings,
      devices: namedDevices({ devices: input.devices }),
    });
  }
}

function configTask(
  { broker, patch, devices, settings, history, incomplete }: ConfigTaskInput,
  continuous: boolean,
): Task<ConfigFlight> {
  const choice: DeviceChoice = { devices };
  const settingsFor = (asked: boolean): ConfigSettings => ({ ...settings, force: settings.force && asked });
  return {
    broker,
    stages: 'patch',
    initial: { total: 0 },
    select: (signal) => selectDevices(broker, choice, undefined, signal, continuous),
    admits: (device) => isMeant(choice, device, undefined),
    refuse: () => (incomplete === true ? new HomieError('SECRET_NOT_KEPT') : undefined),
    readyAt: (device) => readyAt(broker, device),
    missing: (device) => whyNot(broker, device),
    look: async (device, asked) =>
      endUnsent(checkKnown(broker, broker.registry.get(device), patch, settingsFor(asked))),
    exchange: (device, { asked, begin, report, ...hooks }) => {
      let flight: ConfigFlight | undefined;
      return bringPatch({
        ...hooks,
        broker,
        device,
        patch,
        settings: settingsFor(asked),
        begin: (known, check, done) => {
          flight = configFlightOf(known, check, done, settings);
          return begin(flight);
        },
        report: (change) => {
          report(change);
          const known = broker.registry.get(device);
          if (change.phase !== 'received' || flight === undefined || known === undefined) return;
          flight = receivedFlight(flight, known);
          void begin(flight);
        },
      });
    },
    judge: async (device, flight, { report, abandon }) => {
      const judged = await judgeConfigFlight({ broker, device, flight, settings, abandon, report });
      const isOpen = judged.kind === 'ended' && judged.open !== undefined;
      if (!isOpen) await broker.locks.rebooted(device);
      return judged.kind === 'again' ? 'again' : judged.outcome;
    },
    isWorthAnotherLook: ({ device, state, error }) => {
      if (state === 'timed_out') return true;
      const lacked = lacking.has(error?.code) || error?.code === 'CONFIG_UNKNOWN';
      return lacked && isReady(broker, device) && broker.registry.get(device)?.config !== undefined;
    },
    allowAgain: () => undefined,
    ended: async (device, update, resumed) => history?.remember(`${broker.locks.scope}${device}`, update, resumed),
  };
}
