import type { Image } from './image';
import type { HomieBroker } from '../homie/broker';
import { busyBecause, checkEach, EXCLUDED, type CheckOptions } from '../homie/checks';
import { runningFirmware, type Device } from '../homie/device';
import { firmwareTopic } from '../homie/topics';
import { HomieError } from '../errors';
import { refuseLarge } from '../mqtt/publish-packet';
import { decide } from './decide';
import { encodedLength } from './encoding';
import { incomplete, isReady, neverSeen } from '../homie/presence';
import { namedDevices, selectKnown, type DeviceChoice } from '../homie/select';
import { findRetained } from './retained-firmware';
import type { OtaSettings } from './settings';
import { imageName, nameAndVersion } from '../update/firmware-name';
import type { FirmwareName } from '../update/update';
import { plainText } from '../plain-text';
import { inEnglish, phrase, type Value } from '../texts/text';

/** What an update would do to a device. */
export type CheckVerdict =
  | 'update'
  | 'up_to_date'
  | 'older'
  | 'ota_disabled'
  | 'offline'
  | 'incompatible'
  | 'held'
  | 'stopped'
  | 'excluded'
  | 'busy'
  | 'unknown';

/** What an update would do to one device. */
export interface DeviceCheck {
  readonly device: string;
  readonly verdict: CheckVerdict;
  /** Why, in one or more English sentences. */
  readonly reason: string;
  /** The same sentences, as texts for any language. */
  readonly says: readonly Value[];
  readonly from: FirmwareName;
  /** The topic of a retained firmware message, which the device receives at every connect. */
  readonly retained?: string;
  /** Whether an update could be undone by a rollback. */
  readonly canRollBack?: boolean;
}

export interface CheckSummary {
  readonly counts: Partial<Record<CheckVerdict, number>>;
  readonly to: FirmwareName;
  readonly devices: readonly DeviceCheck[];
}

/** Returns why a device is not sent this image without a `retry`: held back or stopped. Undefined if it may be sent. */
type Barred = (device: string) => Pick<DeviceCheck, 'verdict' | 'says'> | undefined;

interface OtaCheckOptions extends CheckOptions {
  readonly barred?: Barred;
  /** Returns whether a user has excluded a device from this update. */
  readonly isExcluded?: (device: string) => boolean;
}

/** How many named devices are searched for retained firmware messages at most: each message is received whole. */
const SEARCHED_DEVICES = 5;

/**
 * Returns what an update would do to each device, and sends nothing to them. If at most five devices are named, also
 * searches for their retained firmware messages.
 *
 * @throws {HomieError} NO_DEVICE, INVALID_DEVICE_ID, NO_MATCH, NOT_HOMIE, STILL_RECEIVING; the error of the connection
 *   if there is none
 * @throws the reason of the signal
 */
export async function check(
  broker: HomieBroker,
  firmware: Image,
  choice: DeviceChoice,
  settings: OtaSettings,
  { signal, barred = () => undefined, isExcluded = () => false, exclude = [] }: OtaCheckOptions = {},
): Promise<CheckSummary> {
  const ids = await selectKnown(broker, choice, firmware.info.name, signal);
  const { counts, devices: checked } = await checkEach(ids, exclude, (id, isInList) =>
    isInList || isExcluded(id) ? excluded(broker, id) : checkDevice(broker, firmware, id, settings, barred),
  );
  const isNamed = new Set(namedDevices(choice)).size === ids.length && ids.length <= SEARCHED_DEVICES;
  const devices = isNamed ? await withRetainedFirmware(broker, checked, signal) : checked;
  return { counts, to: imageName(firmware.info), devices };
}

function excluded(broker: HomieBroker, id: string): DeviceCheck {
  const known = broker.registry.get(id);
  const from = known === undefined ? {} : runningFirmware(known);
  return { device: id, ...told('excluded', [EXCLUDED]), from };
}

/** Returns a verdict with its reason. */
function told(verdict: CheckVerdict, says: readonly Value[]): Pick<DeviceCheck, 'verdict' | 'reason' | 'says'> {
  return { verdict, reason: plainText(says.map(inEnglish).join(' ')), says };
}

/** The verdicts on devices that could be sent an image. */
const isThere: ReadonlySet<CheckVerdict> = new Set<CheckVerdict>(['update', 'up_to_date', 'held', 'stopped']);

/** Adds the topics of retained firmware messages. Omits busy devices: no image may be on its way during the search. */
async function withRetainedFirmware(
  broker: HomieBroker,
  devices: readonly DeviceCheck[],
  signal: AbortSignal = new AbortController().signal,
): Promise<DeviceCheck[]> {
  const ids = devices.filter(({ verdict }) => isThere.has(verdict)).map(({ device }) => device);
  const found = ids.length === 0 ? new Map<string, string>() : await findRetained(broker, ids, signal);
  return devices.map((each) => {
    const topic = found.get(each.device);
    if (topic === undefined) return each;
    const says = [...each.says, phrase('firmwareRetained', { topic: broker.shown(topic) })];
    return { ...each, ...told(each.verdict, says), retained: topic };
  });
}

async function checkDevice(
  broker: HomieBroker,
  firmware: Image,
  id: string,
  settings: OtaSettings,
  barred: Barred,
): Promise<DeviceCheck> {
  const device = broker.registry.get(id);
  if (device?.state === undefined) {
    const refusal = broker.refusal('$state', '$online');
    const says = refusal ? [refusal.text, refusal.advice] : [phrase('deviceWas', { seen: neverSeen(broker, id) })];
    return { device: id, ...told('unknown', says), from: {} };
  }
  const from = runningFirmware(device);
  const say = (verdict: CheckVerdict, ...says: readonly Value[]): DeviceCheck => ({
    device: id,
    ...told(verdict, says),
    from,
  });

  let topic: string;
  try {
    topic = firmwareTopic(broker.baseTopic, id, firmware.info.md5);
  } catch (error) {
    if (error instanceof HomieError) return say('incompatible', error.text);
    throw error;
  }
  const busy = busyBecause(broker, id, 'image');
  if (busy !== undefined) return say('busy', busy);
  const lack = incomplete(broker, id);
  if (lack !== undefined) return say('incompatible', lack.text);
  if (!isReady(broker, id)) return say('offline', phrase('deviceNotReady', { state: describe(device) }));

  const decision = await decide(device, firmware, settings, broker);
  switch (decision.kind) {
    case 'reject':
      return say('incompatible', decision.error.text);
    case 'skip':
      return say(decision.reason, phrase(skipped[decision.reason]));
    case 'update': {
      const length = encodedLength(firmware.info.size, settings.encoding);
      const tooLarge = refuseLarge(broker.status, topic, length);
      if (tooLarge !== undefined) return say('incompatible', tooLarge.text, tooLarge.advice);
      const bar = barred(id);
      if (bar !== undefined) return say(bar.verdict, ...bar.says);
      return say('update', phrase(decision.reinstall ? 'wouldReinstall' : 'wouldUpdate'));
    }
  }
}

const skipped = { up_to_date: 'runsImage', older: 'runsNewer', ota_disabled: 'otaDisabled' } as const;

function describe(device: Device): string {
  const firmware = nameAndVersion(runningFirmware(device));
  return plainText([device.state?.value ?? 'unknown', firmware].filter(Boolean).join(', '));
}
