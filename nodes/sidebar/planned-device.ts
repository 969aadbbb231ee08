import type { HomieBroker } from '../../src/homie/broker';
import { plainText } from '../../src/plain-text';
import type { FirmwareName } from '../../src/update/update';

/** Returns the name of a device, if it has one. */
export function nameOf(broker: HomieBroker, id: string): { readonly name?: string } {
  const name = broker.registry.get(id)?.name;
  return name === undefined ? {} : { name: plainText(name.value) };
}

/** Returns a firmware with plain texts. */
export function plainFirmware({ name, version, ...firmware }: FirmwareName): FirmwareName {
  return {
    ...(name !== undefined && { name: plainText(name) }),
    ...(version !== undefined && { version: plainText(version) }),
    ...firmware,
  };
}
