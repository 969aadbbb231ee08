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
export function ownBaseTopic(device: Device, base: string): string {
  const own = device.config && (readMqtt(device.config.value)['base_topic'] ?? 'homie/');
  if (typeof own === 'string') return own;
  return isConvention5(device, base) ? base.slice(0, -CONVENTION_5.length) : base;
}

/** Returns the base topic of the topics of a device with this base topic in its configuration. */
export function effectiveBaseTopic(own: string, convention5: boolean): string {
  return convention5 ? own.replace(/(?:(?<=\/)5\/)?$/, CONVENTION_5) : own;
}

/** Returns whether a device that was found below `base` publishes by convention 5, which has no `$homie`. */
export function isConvention5(device: Device | undefined, base: string): boolean {
  return device?.homie === undefined && base.endsWith(`/${CONVENTION_5}`);
}
