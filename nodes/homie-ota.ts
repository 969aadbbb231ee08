import type { NodeAPI, NodeDef } from 'node-red';
import { defaultSettings, readSettings } from '../src/ota/settings';
import { defaultSettings as defaultRollout, readSettings as readRollout } from '../src/rollout/settings';
import { linkTo } from './broker-node';
import { evaluateDevice, type DeviceField } from './device-field';
import { ownSettings, serve } from './job-node';
import { OtaActions } from './ota-actions';
import type { OtaNode } from './ota-node';
import type { DeviceSetting } from './ota-request';
import type { Request } from './request';

interface OtaDefinition extends NodeDef, DeviceField {
  broker: string;
}

export = (RED: NodeAPI): void => {
  function HomieOtaNode(this: OtaNode, definition: OtaDefinition): void {
    RED.nodes.createNode(this, definition);
    this.broker = definition.broker;
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
      actions: (around) => {
        const actions = new OtaActions({ ota, rollout, devices }, around);
        this.check = (msg) => actions.check(msg);
        return actions;
      },
    });
  }

  RED.nodes.registerType<OtaNode, OtaDefinition, object, object>('homie-ota', HomieOtaNode);
};
