import type { Node, NodeAPI, NodeDef } from 'node-red';
import { defaultSettings, readSettings } from '../src/ota/settings';
import { defaultSettings as defaultRollout, readSettings as readRollout } from '../src/rollout/settings';
import { linkTo } from './broker-node';
import { evaluateDevice, type DeviceField } from './device-field';
import { ownSettings, serve } from './job-node';
import { OtaActions } from './ota-actions';
import type { DeviceSetting } from './ota-request';
import type { Request } from './request';

interface OtaDefinition extends NodeDef, DeviceField {
  broker: string;
}

export = (RED: NodeAPI): void => {
  function HomieOtaNode(this: Node, definition: OtaDefinition): void {
    RED.nodes.createNode(this, definition);
    const link = linkTo(RED, definition.broker);
    const ota = ownSettings(this, () => readSettings(defaultSettings, { ...definition }));
    const rollout = ownSettings(this, () => readRollout(defaultRollout, { ...definition }));
    const devices = (msg: Request): DeviceSetting =>
      definition.deviceType === 'all'
        ? { runningThisFirmware: true }
        : { devices: () => evaluateDevice(RED, this, definition, msg) };
    serve(RED, this, {
      link,
      settings: [ota, rollout],
      persist: !('persist' in rollout) || rollout.persist,
      actions: (around) => new OtaActions({ ota, rollout, devices }, around),
    });
  }

  RED.nodes.registerType('homie-ota', HomieOtaNode);
};
