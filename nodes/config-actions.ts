import { getConfig } from '../src/config/get';
import type { JsonObject } from '../src/config/json';
import { readPatch } from '../src/config/patch';
import { checkConfig } from '../src/config/preview';
import { readSettings, type ConfigSettings } from '../src/config/settings';
import { HomieError } from '../src/errors';
import type { HomieBroker } from '../src/homie/broker';
import { reportError } from '../src/homie/update';
import { ConfigJob } from '../src/rollout/config-job';
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
    if (action === 'set') errand.devices = devices;
    const settings = readSettings(settled(this.#settings.config), msg);
    this.closing.throwIfAborted();
    switch (action) {
      case 'get':
        return this.#get(this.brokerInReach(), devices, settings, errand);
      case 'check':
        return this.#check(readPatch(msg['payload']), devices, settings, errand);
      case 'set':
        return this.run(new ConfigJob(this.broker(), readPatch(msg['payload']), devices, settings), errand);
    }
  }

  async #check(
    patch: JsonObject,
    devices: readonly string[],
    settings: ConfigSettings,
    { outbox }: Errand,
  ): Promise<undefined> {
    const answer = await checkConfig(this.brokerInReach(), patch, devices, settings, this.patience());
    outbox.send('summary', checkAnswer(answer));
  }

  /** The configuration of each device is a result of its own. */
  async #get(
    broker: HomieBroker,
    devices: readonly string[],
    settings: ConfigSettings,
    { outbox }: Errand,
  ): Promise<HomieError | undefined> {
    const failures = await Promise.all(
      devices.map(async (device) => {
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
