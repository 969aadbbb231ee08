import { getConfig } from '../src/config/get';
import type { JsonObject } from '../src/config/json';
import { readPatch } from '../src/config/patch';
import { checkConfig } from '../src/config/preview';
import { readSettings, type ConfigSettings } from '../src/config/settings';
import { HomieError } from '../src/errors';
import type { HomieBroker } from '../src/homie/broker';
import { namedDevices, selectDevices } from '../src/homie/select';
import { reportError } from '../src/homie/update';
import { ConfigJob } from '../src/rollout/config-job';
import { readSettings as readRollout, type RolloutSettings } from '../src/rollout/settings';
import type { JobOptions } from '../src/rollout/job';
import { Actions, settled, type Errand } from './actions';
import { asHomieError, checkAnswer } from './answers';
import type { BrokerLink } from './broker-node';
import type { Jobs } from './jobs';
import { isAbsent, readDevices, type Request } from './request';

/** What a node is set to. */
export interface ConfigNodeSettings {
  readonly link: BrokerLink;
  /** The settings, or what is wrong with them. */
  readonly config: ConfigSettings | HomieError;
  readonly rollout: RolloutSettings | HomieError;
  /** What the device field of the node holds, which counts where the message names no device. */
  readonly devices: (msg: Request) => Promise<unknown>;
}

/** What can be done with a configuration. */
export class ConfigActions extends Actions<'set' | 'get' | 'check'> {
  protected override readonly actions = ['set', 'get', 'check'] as const;
  readonly #settings: ConfigNodeSettings;

  constructor(settings: ConfigNodeSettings, jobs: Jobs) {
    super(settings.link, jobs);
    this.#settings = settings;
  }

  protected override async perform(action: 'set' | 'get' | 'check', errand: Errand): Promise<HomieError | undefined> {
    const { msg } = errand;
    const devices = readDevices(isAbsent(msg['device']) ? await this.#settings.devices(msg) : msg['device']);
    if (action === 'set') errand.devices = namedDevices({ devices });
    const settings = readSettings(settled(this.#settings.config), msg);
    const rollout = readRollout(settled(this.#settings.rollout), msg);
    this.closing.throwIfAborted();
    switch (action) {
      case 'get':
        return this.#get(this.brokerInReach(), devices, settings, errand);
      case 'check':
        return this.#check(readPatch(msg['payload']), devices, { settings, exclude: rollout.exclude }, errand);
      case 'set': {
        const [broker, patch] = [this.broker(), readPatch(msg['payload'])];
        const work = {
          order: { identity: canonical(patch), forAll: false },
          select: (signal: AbortSignal) => selectDevices(broker, { devices }, undefined, signal),
          make: (options: JobOptions) => new ConfigJob({ broker, patch, devices, settings }, rollout, options),
        };
        return this.run(work, errand);
      }
    }
  }

  async #check(
    patch: JsonObject,
    devices: readonly string[],
    { settings, exclude }: { readonly settings: ConfigSettings; readonly exclude: readonly string[] },
    { outbox }: Errand,
  ): Promise<undefined> {
    const options = { signal: this.patience(), exclude };
    const answer = await checkConfig(this.brokerInReach(), patch, devices, settings, options);
    outbox.send('summary', checkAnswer(answer));
  }

  /** The configuration of each device is a result of its own. */
  async #get(
    broker: HomieBroker,
    devices: readonly string[],
    settings: ConfigSettings,
    { outbox }: Errand,
  ): Promise<HomieError | undefined> {
    const ids = await selectDevices(broker, { devices }, undefined, this.patience());
    const failures = await Promise.all(
      ids.map(async (device) => {
        try {
          outbox.send('result', await getConfig(broker, device, settings, this.closing));
          return [];
        } catch (error) {
          this.closing.throwIfAborted();
          const reason = asHomieError(error);
          outbox.send('result', { device, error: reportError(reason) });
          return [{ device, reason }];
        }
      }),
    );
    const [first, ...more] = failures.flat();
    if (first === undefined) return undefined;
    const failed = [first, ...more];
    this.showFailed(failed.map(({ reason }) => reason));
    const { code, hint, cause } = first.reason;
    const text = failed.map(({ device, reason }) => `${device}: ${reason.message}`).join(' ');
    return new HomieError(code, text, { hint, cause });
  }
}

/** The same text for the same patch, whatever the order of its members. */
function canonical(value: unknown): string {
  return JSON.stringify(value, (_key, each: unknown) =>
    typeof each === 'object' && each !== null && !Array.isArray(each)
      ? Object.fromEntries(Object.entries(each).sort(([a], [b]) => (a < b ? -1 : 1)))
      : each,
  );
}
