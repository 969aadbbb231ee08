import type { Node, NodeAPI } from 'node-red';
import { HomieError } from '../../src/errors';
import { environmentOf, expandFields } from './environment';
import type { Request } from './request';

/** The field of a node that tells where the ids of devices are found. */
export interface DeviceField {
  readonly device: string;
  /** Text, or a place of Node-RED: a property of the message or of a context, an environment variable. */
  readonly deviceType: string;
}

/**
 * What the device field of a node holds for a message.
 *
 * @throws {HomieError} INVALID_SETTING
 */
export async function evaluateDevice(
  RED: NodeAPI,
  node: Node,
  { device, deviceType }: DeviceField,
  msg: Request,
): Promise<unknown> {
  if (deviceType === 'str') return expandFields({ device }, ['device'], environmentOf(RED, node))['device'];
  return new Promise((resolve, reject) => {
    const fail = (error: unknown): void => {
      reject(new HomieError('INVALID_SETTING.device', { source: `${deviceType}.${device}` }, { cause: error }));
    };
    try {
      RED.util.evaluateNodeProperty(device, deviceType, node, msg, (error: unknown, value: unknown) => {
        if (error === null || error === undefined) resolve(value);
        else fail(error);
      });
    } catch (error) {
      fail(error);
    }
  });
}
