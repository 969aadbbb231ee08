import type { Node, NodeAPI, NodeDef, NodeMessage } from 'node-red';
import { configDefaults, configSettingNames, readConfigSettings, type ConfigSettings } from '../../src/config/settings';
import { HomieError } from '../../src/errors';
import { readRolloutSettings, rolloutDefaults, rolloutSettingNames } from '../../src/rollout/settings';
import { linkTo } from '../shared/broker-node';
import { orThrow } from '../shared/actions';
import { ConfigActions, optionNames } from './config-actions';
import { evaluateDevice, type DeviceField } from '../shared/device-field';
import { environmentOf, expandFields } from '../shared/environment';
import { ownSettings, runJobNode } from '../shared/job-node';
import { migratedOf, oldMessageWarning } from '../shared/migrated';
import { takePatch } from './patch-message';
import { readOptions, type Request } from '../shared/request';

interface ConfigDefinition extends NodeDef, DeviceField {
  broker: string;
}

export = (RED: NodeAPI): void => {
  function HomieConfigNode(this: Node, given: ConfigDefinition): void {
    RED.nodes.createNode(this, given);
    const { definition, newer } = migratedOf(this, given);
    const link = linkTo(RED, definition.broker);
    const fields = (names: readonly string[]): Request => expandFields(definition, names, environmentOf(RED, this));
    const config = newer ?? ownSettings(this, () => readConfigSettings(configDefaults, fields(configSettingNames)));
    const rollout = newer ?? ownSettings(this, () => readRolloutSettings(rolloutDefaults, fields(rolloutSettingNames)));
    const devices = (msg: Request): Promise<unknown> => evaluateDevice(RED, this, definition, msg);
    runJobNode(RED, this, {
      link,
      settings: [config, rollout],
      warnOfOld: oldMessageWarning(this, given),
      actions: (around) => new ConfigActions({ config, rollout, devices }, around),
      take: (msg) => takePatch(msg, secretNames(config, msg)),
    });
  }

  RED.nodes.registerType('homie-config', HomieConfigNode);
};

/** Returns the words that mark secret settings for a message; undefined if its settings are invalid. */
function secretNames(own: ConfigSettings | HomieError, msg: NodeMessage): readonly string[] | undefined {
  if (own instanceof HomieError) return undefined;
  try {
    return readConfigSettings(own, orThrow(readOptions(Reflect.get(msg, 'options'), optionNames))).secretNames;
  } catch {
    return undefined;
  }
}
