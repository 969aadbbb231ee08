import type { Node, NodeAPI } from 'node-red';
import { HomieError } from '../../src/errors';
import { environmentOf, expandFields } from './environment';
import type { Request } from './request';

/** The device field of a node: device ids, or where to find them. */
export interface DeviceField {
  readonly device: string;
  /** The type of the field in Node-RED: text, a property of the message or of a context, or an environment variable. */
  readonly deviceType: string;
}

/**
 * Returns the value of the device field of a node for a message.
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
