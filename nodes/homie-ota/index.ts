import type { Node, NodeAPI, NodeDef } from 'node-red';
import { linkTo } from '../shared/broker-node';
import { evaluateDevice, type DeviceField } from '../shared/device-field';
import { runJobNode } from '../shared/job-node';
import { migratedOf, oldMessageWarning } from '../shared/migrated';
import { OtaActions } from './ota-actions';
import type { DeviceSetting } from './ota-request';
import type { Request } from '../shared/request';
import { readUpdateSettings } from '../shared/update-settings';

interface OtaDefinition extends NodeDef, DeviceField {
  broker: string;
}

export = (RED: NodeAPI): void => {
  function HomieOtaNode(this: Node, given: OtaDefinition): void {
    RED.nodes.createNode(this, given);
    const own = migratedOf(this, given);
    const { definition } = own;
    const link = linkTo(RED, definition.broker);
    const settings = readUpdateSettings(RED, this, own);
    const devices = (msg: Request): DeviceSetting =>
      definition.deviceType === 'all'
        ? { runningThisFirmware: true }
        : { devices: () => evaluateDevice(RED, this, definition, msg) };
    runJobNode(RED, this, {
      link,
      settings: [settings.ota, settings.rollout],
      warnOfOld: oldMessageWarning(this, given),
      actions: (around) => new OtaActions({ ...settings, devices }, around),
    });
  }

  RED.nodes.registerType('homie-ota', HomieOtaNode);
};
