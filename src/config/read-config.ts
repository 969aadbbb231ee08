import { HomieError } from '../errors';
import type { HomieBroker } from '../homie/broker';
import type { DeviceState } from '../homie/device';
import { settleFor, whyNot } from '../homie/presence';
import { checkDeviceId } from '../homie/topics';
import { readFile } from './file';
import { pathText, type JsonObject } from './json';
import { STRIPPED } from './schema';
import { maskObject } from './secrets';
import type { ConfigSettings } from './settings';

/** The configuration of a device as last published. */
export interface DeviceConfig {
  readonly device: string;
  /** The configuration, secrets masked. */
  readonly config: JsonObject;
  /** Paths that every device removes before it publishes its configuration, whether they are set or not. */
  readonly stripped: readonly string[];
  /** `$state`. Unless it is `ready`, the configuration may be outdated. */
  readonly state: DeviceState | undefined;
}

/**
 * Returns the configuration of a device, retained or live. Waits up to `settings.received` ms for it, and until all
 * retained messages have arrived.
 *
 * @throws {HomieError} NO_DEVICE, INVALID_DEVICE_ID, NOT_CONNECTED, STILL_RECEIVING, DEVICE_UNKNOWN, SUBSCRIBE_REFUSED,
 * CONFIG_UNKNOWN, CONFIG_UNREADABLE; the reason of the signal
 */
export async function readDeviceConfig(
  broker: HomieBroker,
  device: string,
  settings: Pick<ConfigSettings, 'received' | 'secretNames'>,
  signal: AbortSignal = new AbortController().signal,
): Promise<DeviceConfig> {
  const id = checkDeviceId(device);
  const until = performance.now() + settings.received;
  const watch = broker.watch(id);
  try {
    for (;;) {
      await settleFor(broker, id, signal);
      const known = broker.registry.get(id);
      if (known?.config !== undefined) {
        const file = readFile(known.config.value);
        if (file === undefined) throw new HomieError('CONFIG_UNREADABLE');
        return {
          device: id,
          config: maskObject(file.content, settings.secretNames),
          stripped: STRIPPED.map(pathText),
          state: known.state?.value,
        };
      }
      if ((await watch.next(until, signal)) === undefined) {
        if (broker.status.state !== 'connected') throw new HomieError('NOT_CONNECTED');
        if (!broker.isSettled) throw new HomieError('STILL_RECEIVING');
        throw (
          broker.refusal('$implementation/config') ??
          (known === undefined ? whyNot(broker, id) : new HomieError('CONFIG_UNKNOWN'))
        );
      }
    }
  } finally {
    watch.close();
  }
}
