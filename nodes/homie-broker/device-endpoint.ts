import type { NodeAPI } from 'node-red';
import type { HomieBroker } from '../../src/homie/broker';
import { plainText } from '../../src/plain-text';
import { linkTo, stateOf, type LinkState } from '../shared/broker-node';
import { ownPagesOnly } from '../shared/same-origin';

/** A device as the editor offers it. */
export interface OfferedDevice {
  readonly id: string;
  readonly name?: string;
  readonly firmware?: string;
  readonly version?: string;
  readonly state?: string;
}

/** The devices that a `homie-broker` knows. */
interface Offer extends LinkState {
  readonly devices: readonly OfferedDevice[];
}

/**
 * Registers the route with which the editor lists the devices of a `homie-broker`. It requires the permission
 * `homie-ota.read`.
 */
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
  return { ...stateOf(link), devices: 'broker' in link ? offeredBy(link.broker) : [] };
}

/** Returns the devices that a broker shows, sorted by id. */
export function offeredBy({ registry }: HomieBroker): OfferedDevice[] {
  const devices = [...registry.devices.values()].map(({ id: device, name, fwName, fwVersion, state }) => ({
    id: device,
    ...(name && { name: plainText(name.value) }),
    ...(fwName && { firmware: plainText(fwName.value) }),
    ...(fwVersion && { version: plainText(fwVersion.value) }),
    ...(state && { state: state.value }),
  }));
  return devices.sort((a, b) => (a.id < b.id ? -1 : 1));
}
