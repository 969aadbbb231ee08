import type { Configuration } from './configuration';
import { type Convention, type Dialect, rootOf } from './dialects';

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
  readonly dialect: Dialect;
  readonly convention: Convention;
  readonly firmware: { readonly name: string; readonly version: string; readonly checksum: string };
}

/** Returns what stands before the id in each topic. */
export function baseOf({ configuration, convention }: Identity): string {
  return rootOf(configuration.baseTopic, convention);
}

/**
 * Returns all steps from the connection to `ready`, in order (homie-esp8266 BootNormal.cpp, _advertise, of 3.0 and 2.0;
 * labodj/homie-esp8266 BootNormal.cpp, _advertise, of 4.0.0).
 * @param config text of `$implementation/config`
 */
export function advertisement(identity: Identity, config: string): AdvertisementStep[] {
  const { configuration, convention, homie } = identity;
  const root = baseOf(identity) + configuration.deviceId;
  const attributes = homie === 3 ? homie3(identity, config) : homie2(identity, config);
  return [
    ...attributes.map(([publish, payload]) => ({ publish, payload })),
    { subscribe: `${root}/$implementation/ota/firmware/+`, qos: 1 },
    { subscribe: `${root}/$implementation/reset`, qos: 1 },
    { subscribe: `${root}/$implementation/config/set`, qos: 1 },
    { subscribe: `${root}/+/+/set`, qos: 2 },
    { subscribe: `${baseOf(identity)}$broadcast/${convention === 5 ? '#' : '+'}`, qos: 2 },
    homie === 3 ? { publish: '$state', payload: 'ready' } : { publish: '$online', payload: 'true' },
  ];
}

type Attributes = [topic: string, payload: string][];

function homie3(identity: Identity, config: string): Attributes {
  const { configuration, convention, dialect, mac } = identity;
  const about: Attributes = [
    ['$mac', mac],
    ['$localip', '127.0.0.1'],
  ];
  const rest: Attributes = [
    ['$stats', dialect.stats],
    ['$stats/interval', statsInterval(identity)],
    ...firmware(identity, config, dialect.version),
  ];
  if (convention === 5) return [['$state', 'init'], ['$description', description(configuration)], ...about, ...rest];
  return [
    ['$state', 'init'],
    ['$homie', '3.0.1'],
    ['$name', configuration.name],
    ...about,
    ['$nodes', 'light'],
    ...rest,
    ['light/$name', 'Light'],
    ['light/$type', 'switch'],
    ['light/$properties', 'on'],
    ['light/on/$name', 'On'],
    ['light/on/$settable', 'true'],
    ['light/on/$datatype', 'boolean'],
  ];
}

/** Returns what replaces the attributes of device, nodes and properties in convention 5. */
function description({ name }: Configuration): string {
  return JSON.stringify({
    homie: '5.0',
    name,
    version: 1,
    extensions: ['io.github.labodj.esp-runtime'],
    nodes: {
      light: {
        name: 'Light',
        type: 'switch',
        properties: { on: { name: 'On', datatype: 'boolean', settable: true, retained: true } },
      },
    },
  });
}

function homie2(identity: Identity, config: string): Attributes {
  const { configuration } = identity;
  return [
    ['$homie', '2.0.0'],
    ['$mac', identity.mac],
    ['$name', configuration.name],
    ['$localip', '127.0.0.1'],
    ['$stats/interval', statsInterval(identity)],
    ...firmware(identity, config, '2.0.0'),
    ['light/$type', 'switch'],
    ['light/$properties', 'on:settable'],
  ];
}

function firmware(
  { configuration, dialect, firmware: running, implementation }: Identity,
  config: string,
  version: string,
): Attributes {
  const reasons: Attributes = [
    ['$implementation/reset/reason', 'Software/System restart'],
    ['$implementation/wifi/last_disconnect_reason', 'none'],
    ['$implementation/mqtt/last_disconnect_reason', 'none'],
  ];
  return [
    ['$fw/name', running.name],
    ['$fw/version', running.version],
    ['$fw/checksum', running.checksum],
    ['$implementation', implementation],
    ['$implementation/config', config],
    ['$implementation/version', version],
    ...(dialect.reasons ? reasons : []),
    ['$implementation/ota/enabled', String(configuration.otaEnabled)],
  ];
}

/** Values of the statistics that do not depend on time. */
const STATISTICS: Readonly<Record<string, string>> = { signal: '80', freeheap: '30000' };

/** Returns what the device publishes after every `ready` and at every interval. @param uptime seconds since boot */
export function statistics(identity: Identity, uptime: number): { publish: string; payload: string }[] {
  const seconds = String(Math.floor(uptime));
  const named = (name: string) => ({
    publish: `$stats/${name}`,
    payload: STATISTICS[name] ?? (name.startsWith('uptime') ? seconds : '0'),
  });
  if (identity.homie === 2) return ['signal', 'uptime'].map(named);
  const interval = { publish: '$stats/interval', payload: statsInterval(identity) };
  return [interval, ...identity.dialect.statistics.map(named)];
}

const statsInterval = ({ configuration, dialect }: Identity) =>
  String(configuration.statsInterval + dialect.intervalGrace);
