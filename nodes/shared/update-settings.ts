import type { Node, NodeAPI } from 'node-red';
import type { HomieError } from '../../src/errors';
import { otaDefaults, otaSettingNames, readOtaSettings, type OtaSettings } from '../../src/ota/settings';
import {
  readRolloutSettings,
  rolloutDefaults,
  rolloutSettingNames,
  type RolloutSettings,
} from '../../src/rollout/settings';
import { environmentOf, expandFields } from './environment';
import { ownSettings } from './job-node';
import type { Migrated } from './migrated';
import type { Request } from './request';

/** The update settings of a node, or the errors in them. */
export interface UpdateSettings {
  readonly ota: OtaSettings | HomieError;
  readonly rollout: RolloutSettings | HomieError;
}

/** Reads the settings for updates from the properties of a node. */
export function readUpdateSettings(RED: NodeAPI, node: Node, { definition, newer }: Migrated<object>): UpdateSettings {
  if (newer !== undefined) return { ota: newer, rollout: newer };
  const fields = (names: readonly string[]): Request => expandFields(definition, names, environmentOf(RED, node));
  return {
    ota: ownSettings(node, () => readOtaSettings(otaDefaults, fields(otaSettingNames))),
    rollout: ownSettings(node, () => readRolloutSettings(rolloutDefaults, fields(rolloutSettingNames))),
  };
}
