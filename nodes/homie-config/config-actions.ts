import { checkConfig } from '../../src/config/check-device';
import { readDeviceConfig, type DeviceConfig } from '../../src/config/read-config';
import { configSettingNames, readConfigSettings, type ConfigSettings } from '../../src/config/settings';
import { withDeadline } from '../../src/deadline';
import { asHomieError, type HomieError } from '../../src/errors';
import type { HomieBroker } from '../../src/homie/broker';
import { namedDevices, selectDevices } from '../../src/homie/select';
import { setsUnknownKey } from '../../src/update/sentence';
import { reportError } from '../../src/update/update';
import { configWork, configWorkAgain } from '../../src/rollout/config-work';
import { readRolloutSettings, rolloutSettingNames, type RolloutSettings } from '../../src/rollout/settings';
import type { Work } from '../../src/rollout/work';
import { Actions, orThrow, type Answering } from '../shared/actions';
import type { Done } from '../shared/done';
import { checkAnswer, failureAmong, withoutSays } from '../shared/message-summaries';
import { patchOf } from './patch-message';
import { isAbsent, readDevices, readOptions, type Request } from '../shared/request';

/** Maximum time that `get` waits for the connection, in ms. */
const CONNECT_TIMEOUT = 10_000;

/** The settings that a message may have. */
export const optionNames = [...configSettingNames, ...rolloutSettingNames];

/** The settings of a node. */
export interface ConfigNodeSettings {
  /** The settings, or the error in them. */
  readonly config: ConfigSettings | HomieError;
  readonly rollout: RolloutSettings | HomieError;
  /** Returns the value of the node's device field, used if the message names no device. */
  readonly devices: (msg: Request) => Promise<unknown>;
}

/** The actions of a homie-config node. */
export class ConfigActions extends Actions<'set' | 'get' | 'check', ConfigNodeSettings> {
  protected override readonly actions = ['set', 'get', 'check'] as const;

  protected override async perform(action: 'set' | 'get' | 'check', answering: Answering): Promise<Done> {
    const { msg } = answering;
    const devices = readDevices(isAbsent(msg['device']) ? await this.settings.devices(msg) : msg['device']);
    if (action === 'set') answering.devices = namedDevices({ devices });
    const options = orThrow(readOptions(msg['options'], optionNames));
    const settings = readConfigSettings(orThrow(this.settings.config), options);
    const rollout = readRolloutSettings(orThrow(this.settings.rollout), options);
    this.closing.throwIfAborted();
    switch (action) {
      case 'get':
        return this.#get(this.brokerInReach(), devices, settings, answering);
      case 'check': {
        const patch = patchOf(msg);
        const answer = await checkConfig(this.brokerInReach(), patch, devices, settings, {
          signal: this.closing,
          exclude: rollout.exclude,
        });
        answering.replies.send('summary', checkAnswer({ ...answer, devices: answer.devices.map(withoutSays) }));
        const incomplete = answer.devices.filter(setsUnknownKey);
        this.around.jobs.checked(incomplete.map((config) => ({ state: 'skipped', progress: 0, config })));
        return undefined;
      }
      case 'set': {
        const patch = patchOf(msg);
        const unkept = { content: patch, secretNames: settings.secretNames };
        return this.run(configWork({ patch, devices, settings, rollout }, this.given), answering, unkept);
      }
    }
  }

  protected override async remake(work: object): Promise<Work> {
    return configWorkAgain(work, this.given);
  }

  /** Sends the configuration of each device as a result of its own. */
  async #get(
    broker: HomieBroker,
    devices: readonly string[],
    settings: ConfigSettings,
    { replies }: Answering,
  ): Promise<HomieError | undefined> {
    const ids = await withDeadline(CONNECT_TIMEOUT, this.closing, (patience) =>
      selectDevices(broker, { devices }, undefined, patience),
    );
    const failures = await Promise.all(
      ids.map(async (device) => {
        try {
          const config = await readDeviceConfig(broker, device, settings, this.closing);
          replies.send('result', { ...config, text: textOf(config) });
          return [];
        } catch (error) {
          this.closing.throwIfAborted();
          const reason = asHomieError(error);
          replies.send('result', { device, error: reportError(reason), text: `${device}: ${reason.message}` });
          return [{ device, error: reason }];
        }
      }),
    );
    const failed = failures.flat();
    if (failed.length > 0)
      this.around.jobs.refused(failed.map(({ error }) => ({ state: 'failed', progress: 0, error })));
    return failureAmong(failed);
  }
}

/** Returns a sentence about a configuration. Unless the device is ready, the configuration may be outdated. */
function textOf({ device, state }: DeviceConfig): string {
  if (state === 'ready') return `${device}: configuration read.`;
  return `${device}: configuration as last published; the state of the device is ${state ?? 'unknown'}.`;
}
