import type { Node, NodeAPI, NodeDef, NodeMessage } from 'node-red';
import { defaultSettings, readSettings, type ConfigSettings } from '../src/config/settings';
import { HomieError } from '../src/errors';
import { defaultSettings as defaultRollout, readSettings as readRollout } from '../src/rollout/settings';
import { linkTo } from './broker-node';
import { ConfigActions } from './config-actions';
import { evaluateDevice, type DeviceField } from './device-field';
import { ownSettings, serve } from './job-node';
import { takePatch } from './patch-message';
import type { Request } from './request';

interface ConfigDefinition extends NodeDef, DeviceField {
  broker: string;
}

export = (RED: NodeAPI): void => {
  function HomieConfigNode(this: Node, definition: ConfigDefinition): void {
    RED.nodes.createNode(this, definition);
    const link = linkTo(RED, definition.broker);
    const config = ownSettings(this, () => readSettings(defaultSettings, { ...definition }));
    const rollout = ownSettings(this, () => readRollout(defaultRollout, { ...definition }));
    const devices = (msg: Request): Promise<unknown> => evaluateDevice(RED, this, definition, msg);
    serve(RED, this, {
      link,
      settings: [config, rollout],
      persist: !('persist' in rollout) || rollout.persist,
      actions: (around) => new ConfigActions({ config, rollout, devices }, around),
      take: (msg) => takePatch(msg, secretNames(config, msg)),
    });
  }

  RED.nodes.registerType('homie-config', HomieConfigNode);
};

/** The names that count for a message; undefined when something is wrong with its settings. */
function secretNames(own: ConfigSettings | HomieError, msg: NodeMessage): readonly string[] | undefined {
  if (own instanceof HomieError) return undefined;
  try {
    return readSettings(own, msg).secretNames;
  } catch {
    return undefined;
  }
}
