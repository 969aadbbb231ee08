/** The errors that say why an exchange cannot start or continue. */
import { parseStatus } from './status';
import type { OtaSettings } from './settings';
import type { Device } from '../homie/device';
import { asHomieError, HomieError, type ErrorCode } from '../errors';
import type { HomieBroker } from '../homie/broker';
import { firmwareTopic } from '../homie/topics';
import { hasFailedWithBase64 } from './base64-failures';
import type { ImageFacts } from './image';
import type { StaleUpdate } from './recovery';

/** Returns what forbids sending the image before anything is known of the device; undefined if nothing does. */
export function refuse({
  broker,
  device,
  firmware,
  settings,
}: {
  readonly broker: HomieBroker;
  readonly device: string;
  readonly firmware: ImageFacts;
  readonly settings: OtaSettings;
}): HomieError | undefined {
  try {
    firmwareTopic(broker.baseTopic, device, firmware.info.md5);
  } catch (error) {
    return asHomieError(error);
  }
  if (!settings.allowIncompatible && !firmware.info.homie) return new HomieError('NOT_HOMIE');
  if (settings.encoding === 'base64' && hasFailedWithBase64(broker, device)) {
    return new HomieError('BASE64_FAILED_BEFORE');
  }
  return undefined;
}

/**
 * Returns an error if an update by somebody else was seen live: ANOTHER_UPDATER while it is in progress, REBOOT_PENDING
 * while it is flashed and the device has not rebooted yet.
 */
export function anotherUpdate({ otaStatus, state, uptime }: Device, settings: OtaSettings): HomieError | undefined {
  if (otaStatus?.live !== true) return undefined;
  const kind = parseStatus(otaStatus.value)?.kind;
  const connectedSince = state !== undefined && state.at > otaStatus.at;
  if (kind === 'flashed') {
    const goesOn = uptime !== undefined && uptime.value * 1000 >= uptime.at - otaStatus.at;
    return connectedSince && !goesOn ? undefined : new HomieError('REBOOT_PENDING');
  }
  const recent = !connectedSince && performance.now() - otaStatus.at < settings.stall;
  return recent && (kind === 'accepted' || kind === 'progress') ? new HomieError('ANOTHER_UPDATER') : undefined;
}

/** Errors of a transfer after which something may be staged. */
const staged: ReadonlySet<ErrorCode> = new Set<ErrorCode>([
  'PUBLISH_TIMEOUT',
  'CLOSED_AT_PUBLISH',
  'NOT_ACCEPTED',
  'STALLED',
  'LOST_IN_TRANSFER',
]);

/** Returns the error with a hint that the device stays locked, if something may be staged after this error. */
export function maybeStaged(error: HomieError): HomieError {
  const { code, text: problem, advice, cause } = error;
  return staged.has(code) ? new HomieError(`${code}.maybeStaged`, { problem, advice }, { cause }) : error;
}

/** Returns why nothing is sent to a device that may be in the middle of an update, from its answer to the question. */
export function inTheMiddle(answer: StaleUpdate): HomieError {
  if (answer === 'flashed' || answer === 'reboot_pending') return new HomieError('REBOOT_PENDING');
  return new HomieError(answer === 'silence' ? 'NOT_ACCEPTED.nothingSent' : 'ANOTHER_UPDATER');
}

/**
 * Returns whether the last known status is from the middle of an update: the update may still be in progress, or may
 * have left the device half dead. Only statistics show that the device is idle.
 */
export function leftInTheMiddle({ otaStatus, uptime, state }: Device): boolean {
  const kind = otaStatus === undefined ? undefined : parseStatus(otaStatus.value)?.kind;
  if (kind !== 'accepted' && kind !== 'progress') return false;
  const idle = uptime?.live === true && uptime.at >= Math.max(state?.at ?? 0, otaStatus?.at ?? 0);
  return !idle;
}
