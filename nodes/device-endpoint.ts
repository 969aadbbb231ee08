import type { NodeAPI } from 'node-red';
import type { ConnectionStatus } from '../src/mqtt/connection';
import { plainText } from '../src/plain-text';
import { linkTo } from './broker-node';
import { ownPagesOnly } from './own-pages';

/** A device as the editor offers it. */
interface OfferedDevice {
  readonly id: string;
  readonly name?: string;
  readonly firmware?: string;
  readonly version?: string;
  readonly state?: string;
}

/** What a `homie-broker` sees. `undeployed`: there is no such node, or not yet. */
interface Offer {
  readonly state: ConnectionStatus['state'] | 'undeployed';
  /** Why it is not connected. */
  readonly reason?: string;
  /** The limit of devices, where it is reached: some may be missing. */
  readonly limit?: number;
  readonly devices: readonly OfferedDevice[];
}

/** Lets the editor ask which devices a `homie-broker` sees. Needs the permission `homie-ota.read`. */
export function offerDevices(RED: NodeAPI): void {
  RED.httpAdmin.get(
    '/homie-ota/brokers/:id/devices',
    ownPagesOnly,
    RED.auth.needsPermission('homie-ota.read'),
    (request, response) => {
      response.json(offer(RED, request.params.id));
    },
  );
}

function offer(RED: NodeAPI, id: unknown): Offer {
  const link = linkTo(RED, id);
  if ('error' in link) {
    const { code, message } = link.error;
    return code === 'NO_BROKER'
      ? { state: 'undeployed', devices: [] }
      : { state: 'disconnected', reason: message, devices: [] };
  }
  const { status, registry } = link.broker;
  const devices = [...registry.devices.values()].map(({ id: device, name, fwName, fwVersion, state }) => ({
    id: device,
    ...(name && { name: plainText(name.value) }),
    ...(fwName && { firmware: plainText(fwName.value) }),
    ...(fwVersion && { version: plainText(fwVersion.value) }),
    ...(state && { state: state.value }),
  }));
  return {
    state: status.state,
    ...(status.state === 'disconnected' && { reason: status.error.message }),
    ...(registry.isFull && { limit: registry.limit }),
    devices: devices.sort((a, b) => (a.id < b.id ? -1 : 1)),
  };
}
