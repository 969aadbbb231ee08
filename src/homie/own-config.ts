/** Reads from the published configuration of a device what concerns its topics. */
import type { Device } from './device';
import { CONVENTION_5 } from './topics';

/** Returns `mqtt` of a published configuration; empty if the text is not a configuration. */
export function readMqtt(config: string | undefined): Readonly<Record<string, unknown>> {
  try {
    return Object.fromEntries(Object.entries(Object(Reflect.get(Object(JSON.parse(config ?? '{}')), 'mqtt'))));
  } catch {
    return {};
  }
}

/**
 * Returns the base topic in the configuration of a device. Seen from the broker, it may have more levels: one for
 * convention 5, and those that a bridge adds.
 *
 * @param base where the device was found: the base topic with its trailing slash
 */
export function ownBaseTopic({ config, homie }: Device, base: string): string {
  const own = config && (readMqtt(config.value)['base_topic'] ?? 'homie/');
  if (typeof own === 'string') return own;
  return homie === undefined && base.endsWith(`/${CONVENTION_5}`) ? base.slice(0, -CONVENTION_5.length) : base;
}
