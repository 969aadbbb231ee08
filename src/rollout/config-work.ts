import { randomUUID } from 'node:crypto';
import { leaves, pathText, type JsonObject } from '../config/json';
import { maskedIn, readObject } from '../config/patch';
import { maskObject } from '../config/secrets';
import { configDefaults, type ConfigSettings } from '../config/settings';
import { canonical } from '../plain-object';
import { ConfigJob } from './config-job';
import { rolloutDefaults, type RolloutSettings } from './settings';
import { nameOf, type Work, type WorkContext } from './work';

/** A request to send one patch to devices, as plain data. */
export interface ConfigWish {
  readonly patch: JsonObject;
  readonly devices: readonly string[];
  readonly settings: ConfigSettings;
  readonly rollout: RolloutSettings;
  /** Secret values of the patch are missing. */
  readonly incomplete?: boolean;
}

/** Returns the work for a configuration change. */
export function configWork(work: ConfigWish, { broker, author }: WorkContext): Work {
  const { patch, devices, settings, rollout, incomplete = false } = work;
  return {
    brings: 'patch',
    // A patch without its secret values cannot be compared, so it equals no other.
    identity: incomplete ? randomUUID() : canonical(patch),
    forAll: false,
    paths: leaves(patch).map(pathText),
    ...(author && { by: nameOf(author) }),
    wish: { devices, settings, rollout },
    make: (options) => new ConfigJob({ broker, patch, devices, settings, author, incomplete }, rollout, options),
    ...(rollout.persist && { record: { keep: rollout.keep, work: withoutSecrets(work) } }),
  };
}

/** Recreates the work from its stored data. */
export function configWorkAgain(written: Partial<ConfigWish>, around: WorkContext): Work {
  const { devices = [], settings, rollout, incomplete = false } = written;
  const patch = readObject(written.patch ?? {});
  const work = {
    patch,
    devices,
    settings: { ...configDefaults, ...settings },
    rollout: { ...rolloutDefaults, ...rollout },
    // A masked value must never be sent, whatever the file says about `incomplete`.
    incomplete: incomplete || maskedIn(patch) !== undefined,
  };
  return configWork(work, around);
}

/** Masks secret values, which are never stored. */
function withoutSecrets(work: ConfigWish): ConfigWish {
  const patch = maskObject(work.patch, work.settings.secretNames);
  return canonical(patch) === canonical(work.patch) ? work : { ...work, patch, incomplete: true };
}
