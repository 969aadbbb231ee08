/** Reads from the published configuration of a device what concerns its topics and messages. */
import type { Device } from './device';
import { CONVENTION_5 } from './topics';

/** Returns a value at the top level of a published configuration; undefined if the text is not a configuration. */
export function readTop(config: string | undefined, key: string): unknown {
  try {
    return Reflect.get(Object(JSON.parse(config ?? '{}')), key);
  } catch {
    return undefined;
  }
}

/** Returns a value of `mqtt` in a published configuration. */
export function readMqtt(config: string | undefined, key: string): unknown {
  return Reflect.get(Object(readTop(config, 'mqtt')), key);
}

/**
 * Returns the base topic in the configuration of a device. Seen from the broker, it may have more levels: one for
 * convention 5, and those that a bridge adds.
 *
 * @param base where the device was found: the base topic with its trailing slash
 */
export function ownBaseTopic(device: Device, base: string): string {
  const own = device.config && (readMqtt(device.config.value, 'base_topic') ?? 'homie/');
  if (typeof own === 'string') return own;
  return isConvention5(device, base) ? base.slice(0, -CONVENTION_5.length) : base;
}

/** Returns the base topic of the topics of a device with this base topic in its configuration. */
export function effectiveBaseTopic(own: string, convention5: boolean): string {
  return convention5 && !own.endsWith(`/${CONVENTION_5}`) ? own + CONVENTION_5 : own;
}

/** Returns whether a device that was found below `base` publishes by convention 5, which has no `$homie`. */
export function isConvention5(device: Device | undefined, base: string): boolean {
  return device?.homie === undefined && base.endsWith(`/${CONVENTION_5}`);
}
