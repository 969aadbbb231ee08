import type { Configuration } from './configuration';

/** A retained QoS 1 publish below the device's topic, or a subscription. */
export type AdvertisementStep =
  { readonly publish: string; readonly payload: string } | { readonly subscribe: string; readonly qos: 1 | 2 };

/** What a device publishes about itself. */
export interface Identity {
  readonly configuration: Configuration;
  /** `$mac`. */
  readonly mac: string;
  readonly implementation: 'esp8266' | 'esp32';
  /** Generation of Homie: 2 has `$online`, 3 has `$state`. */
  readonly homie: 2 | 3;
  readonly firmware: { readonly name: string; readonly version: string; readonly checksum: string };
}

/**
 * Returns all steps from the connection to `ready`, in order (homie-esp8266 BootNormal.cpp, _advertise, of 3.0 and
 * 2.0).
 * @param config text of `$implementation/config`
 */
export function advertisement(identity: Identity, config: string): AdvertisementStep[] {
  const { configuration, homie } = identity;
  const root = configuration.baseTopic + configuration.deviceId;
  const attributes = homie === 3 ? homie3(identity, config) : homie2(identity, config);
  return [
    ...attributes.map(([publish, payload]) => ({ publish, payload })),
    { subscribe: `${root}/$implementation/ota/firmware/+`, qos: 1 },
    { subscribe: `${root}/$implementation/reset`, qos: 1 },
    { subscribe: `${root}/$implementation/config/set`, qos: 1 },
    { subscribe: `${root}/+/+/set`, qos: 2 },
    { subscribe: `${configuration.baseTopic}$broadcast/+`, qos: 2 },
    homie === 3 ? { publish: '$state', payload: 'ready' } : { publish: '$online', payload: 'true' },
  ];
}

type Attributes = [topic: string, payload: string][];

function homie3(identity: Identity, config: string): Attributes {
  const { configuration } = identity;
  return [
    ['$state', 'init'],
    ['$homie', '3.0.1'],
    ['$name', configuration.name],
    ['$mac', identity.mac],
    ['$localip', '127.0.0.1'],
    ['$nodes', 'light'],
    ['$stats', 'uptime'],
    ['$stats/interval', statsInterval(configuration)],
    ...firmware(identity, config, '3.0.0'),
    ['light/$name', 'Light'],
    ['light/$type', 'switch'],
    ['light/$properties', 'on'],
    ['light/on/$name', 'On'],
    ['light/on/$settable', 'true'],
    ['light/on/$datatype', 'boolean'],
  ];
}

function homie2(identity: Identity, config: string): Attributes {
  const { configuration } = identity;
  return [
    ['$homie', '2.0.0'],
    ['$mac', identity.mac],
    ['$name', configuration.name],
    ['$localip', '127.0.0.1'],
    ['$stats/interval', statsInterval(configuration)],
    ...firmware(identity, config, '2.0.0'),
    ['light/$type', 'switch'],
    ['light/$properties', 'on:settable'],
  ];
}

function firmware(
  { configuration, firmware: running, implementation }: Identity,
  config: string,
  version: string,
): Attributes {
  return [
    ['$fw/name', running.name],
    ['$fw/version', running.version],
    ['$fw/checksum', running.checksum],
    ['$implementation', implementation],
    ['$implementation/config', config],
    ['$implementation/version', version],
    ['$implementation/ota/enabled', String(configuration.otaEnabled)],
  ];
}

/** Returns what the device publishes after every `ready` and at every interval. @param uptime seconds since boot */
export function statistics({ configuration, homie }: Identity, uptime: number): { publish: string; payload: string }[] {
  const signal = { publish: '$stats/signal', payload: '80' };
  const up = { publish: '$stats/uptime', payload: String(Math.floor(uptime)) };
  if (homie === 2) return [signal, up];
  return [
    { publish: '$stats/interval', payload: statsInterval(configuration) },
    signal,
    up,
    { publish: '$stats/freeheap', payload: '30000' },
  ];
}

const statsInterval = (configuration: Configuration) => String(configuration.statsInterval + 5);
