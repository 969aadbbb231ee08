import { randomUUID } from 'node:crypto';
import { getConfig } from '../src/config/get';
import type { JsonObject } from '../src/config/json';
import { maskedIn, readObject, readPatch } from '../src/config/patch';
import { checkConfig } from '../src/config/preview';
import { maskObject } from '../src/config/secrets';
import { defaultSettings, readSettings, type ConfigSettings } from '../src/config/settings';
import { withDeadline } from '../src/deadline';
import { asHomieError, HomieError } from '../src/errors';
import type { HomieBroker } from '../src/homie/broker';
import { namedDevices, selectDevices } from '../src/homie/select';
import { reportError, setsUnknownKey } from '../src/homie/update';
import { ConfigJob } from '../src/rollout/config-job';
import type { Order } from '../src/rollout/desk';
import {
  defaultSettings as defaultRollout,
  readSettings as readRollout,
  type RolloutSettings,
} from '../src/rollout/settings';
import { Actions, settled, type Errand, type KEPT, type Surroundings } from './actions';
import { checkAnswer } from './answers';
import { isAbsent, readDevices, type Request } from './request';
import type { Work } from './work';

/** How long an answer waits for the connection, in ms. */
const CONNECT_TIMEOUT = 10_000;

/** What a node is set to. */
export interface ConfigNodeSettings {
  /** The settings, or what is wrong with them. */
  readonly config: ConfigSettings | HomieError;
  readonly rollout: RolloutSettings | HomieError;
  /** What the device field of the node holds, which counts where the message names no device. */
  readonly devices: (msg: Request) => Promise<unknown>;
}

/** A job as plain data. */
interface ConfigRecord {
  readonly patch: JsonObject;
  readonly devices: readonly string[];
  readonly settings: ConfigSettings;
  readonly rollout: RolloutSettings;
  /** Secret values of the patch are missing. */
  readonly incomplete?: boolean;
}

/** What can be done with a configuration. */
export class ConfigActions extends Actions<'set' | 'get' | 'check'> {
  protected override readonly actions = ['set', 'get', 'check'] as const;
  readonly #settings: ConfigNodeSettings;

  constructor(settings: ConfigNodeSettings, around: Surroundings) {
    super(around);
    this.#settings = settings;
  }

  protected override async perform(
    action: 'set' | 'get' | 'check',
    errand: Errand,
  ): Promise<HomieError | typeof KEPT | undefined> {
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
      case 'set':
        return this.run(this.#work({ patch: readPatch(msg['payload']), devices, settings, rollout }), errand);
    }
  }

  protected override async remake(work: Partial<ConfigRecord>): Promise<Work> {
    const { devices = [], settings, rollout, incomplete = false } = work;
    const patch = readObject(work.patch ?? {});
    return this.#work({
      patch,
      devices,
      settings: { ...defaultSettings, ...settings },
      rollout: { ...defaultRollout, ...rollout },
      // The mask is never sent, whatever the file says.
      incomplete: incomplete || maskedIn(patch) !== undefined,
    });
  }

  #work(work: ConfigRecord): Work {
    const { patch, devices, settings, rollout, incomplete = false } = work;
    const { history } = this.around;
    const broker = this.broker();
    const order = { identity: canonical(patch), forAll: false };
    return {
      brings: 'patch',
      patch: { content: patch, secretNames: settings.secretNames },
      settings: { ...settings, ...rollout },
      order,
      select: (signal) => selectDevices(broker, { devices }, undefined, signal, rollout.continuous),
      make: (options) => new ConfigJob({ broker, patch, devices, settings, history, incomplete }, rollout, options),
      ...(rollout.persist && { record: { order, keep: rollout.keep, work, ...withoutSecrets(work) } }),
    };
  }

  async #check(
    patch: JsonObject,
    devices: readonly string[],
    { settings, exclude }: { readonly settings: ConfigSettings; readonly exclude: readonly string[] },
    { outbox }: Errand,
  ): Promise<undefined> {
    const options = { signal: this.closing, exclude };
    const answer = await checkConfig(this.brokerInReach(), patch, devices, settings, options);
    outbox.send('summary', checkAnswer(answer));
    this.showChecked(
      answer.devices.filter(setsUnknownKey).map((config) => ({ state: 'skipped', progress: 0, config })),
    );
  }

  /** The configuration of each device is a result of its own. */
  async #get(
    broker: HomieBroker,
    devices: readonly string[],
    settings: ConfigSettings,
    { outbox }: Errand,
  ): Promise<HomieError | undefined> {
    const ids = await withDeadline(CONNECT_TIMEOUT, this.closing, (patience) =>
      selectDevices(broker, { devices }, undefined, patience),
    );
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
    const shown = failed.slice(0, 5).map(({ device, reason }) => `${device}: ${reason.message}`);
    const text = [...shown, ...(failed.length > 5 ? [`… and ${failed.length - 5} more.`] : [])].join(' ');
    return new HomieError(code, text, { hint, cause });
  }
}

/** Secret values are never written down. A patch that lacks some is the same as no other. */
function withoutSecrets(work: ConfigRecord): { order?: Order; work?: ConfigRecord } {
  const patch = maskObject(work.patch, work.settings.secretNames);
  if (canonical(patch) === canonical(work.patch)) return {};
  return { order: { identity: randomUUID(), forAll: false }, work: { ...work, patch, incomplete: true } };
}

/** The same text for the same patch, whatever the order of its members. */
function canonical(value: unknown): string {
  return JSON.stringify(value, (_key, each: unknown) =>
    typeof each === 'object' && each !== null && !Array.isArray(each)
      ? Object.fromEntries(Object.entries(each).sort(([a], [b]) => (a < b ? -1 : 1)))
      : each,
  );
}
