import { readFile } from '../../src/config/file';
import { SECRET_NAMES, maskObject } from '../../src/config/secrets';
import { HomieError, saysOf } from '../../src/errors';
import type { Attribute, Device } from '../../src/homie/device';
import { deviceUnknown } from '../../src/homie/presence';
import { checkDeviceId } from '../../src/homie/topics';
import { plainText } from '../../src/plain-text';
import { endOf } from '../../src/rollout/store/history';
import type { Remembered } from '../../src/rollout/store/history-record';
import { imageName } from '../../src/update/firmware-name';
import type { SidebarJobs } from '../shared/sidebar-jobs';
import type { DeviceDetails, DeviceFacts, HistoryRow } from './answers';
import { formFields } from './form-fields';
import { plainFirmware } from './planned-device';

/** Maximum number of results in the history of a device. */
const MAX_RESULTS = 20;

/**
 * Returns all that is known of a device.
 *
 * @throws {HomieError} INVALID_DEVICE_ID, DEVICE_UNKNOWN
 */
export function detailsOf(jobs: SidebarJobs, id: string): DeviceDetails {
  const { broker } = jobs;
  const device = broker.registry.get(checkDeviceId(id));
  if (device === undefined) throw deviceUnknown(broker, id);
  return {
    facts: factsOf(jobs, device),
    history: jobs.resultsOf(id).slice(0, MAX_RESULTS).map(historyRow),
    config: configOf(jobs, device),
  };
}

function factsOf({ broker, queue }: SidebarJobs, device: Device): DeviceFacts {
  const { scope } = broker.locks;
  const { id, state, signal, uptime, interval, otaEnabled, seenAt } = device;
  const previous = queue.library.choose('previous', scope, device);
  return {
    id,
    baseTopic: broker.shownBaseTopic,
    ...textsOf(device),
    ...(state && { state: state.value }),
    ...(signal && { signal: signal.value }),
    ...(uptime && { uptime: uptime.value }),
    ...(interval && { interval: interval.value }),
    ...(otaEnabled && { ota: otaEnabled.value }),
    ...(queue.library.isExcluded(`${scope}${id}`) && { excluded: true }),
    ...(seenAt !== undefined && { seen: Math.round(Date.now() - performance.now() + seenAt) }),
    ...('image' in previous && { previous: plainFirmware(imageName(previous.image)) }),
  };
}

/** The facts that are texts, and their attributes. */
const texts = {
  name: 'name',
  mac: 'mac',
  ip: 'ip',
  implementation: 'implementation',
  implementationVersion: 'implementationVersion',
  homie: 'homie',
  firmware: 'fwName',
  version: 'fwVersion',
  checksum: 'checksum',
} as const satisfies Partial<Record<keyof DeviceFacts, Attribute>>;

/** Returns the facts that the device has published as texts. */
function textsOf(device: Device): { [Name in keyof typeof texts]?: string } {
  const published = Object.entries(texts).flatMap(([name, attribute]) => {
    const fact = device[attribute];
    return fact === undefined ? [] : [[name, plainText(fact.value)] as const];
  });
  return Object.fromEntries(published);
}

function historyRow(result: Remembered): HistoryRow {
  const { job, state, reason, error, from, to, duration, node } = result;
  const by = node && plainText(node.name ?? node.id);
  return {
    job,
    change: to === undefined ? 'configuration' : 'firmware',
    at: endOf(result),
    state,
    ...(reason !== undefined && { reason }),
    ...(error !== undefined && { error: saysOf(error) }),
    from: plainFirmware(from),
    ...(to !== undefined && { to: plainFirmware(to) }),
    duration,
    ...(by !== undefined && { by }),
  };
}

function configOf({ broker }: SidebarJobs, { config }: Device): DeviceDetails['config'] {
  if (config === undefined) {
    return { says: saysOf(broker.refusal('$implementation/config') ?? new HomieError('CONFIG_UNKNOWN')) };
  }
  const file = readFile(config.value);
  if (file === undefined) return { says: saysOf(new HomieError('CONFIG_UNREADABLE')) };
  const { content } = file;
  return { content: maskObject(content, SECRET_NAMES), fields: formFields(content, SECRET_NAMES) };
}
