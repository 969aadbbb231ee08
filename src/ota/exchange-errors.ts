/** Why an exchange cannot begin or go on, as errors. */
import { parseStatus } from './status';
import type { OtaSettings } from './settings';
import type { Device } from '../homie/device';
import { asHomieError, HomieError, type ErrorCode } from '../errors';
import type { HomieBroker } from '../homie/broker';
import { firmwareTopic } from '../homie/topics';
import { hasFailedWithBase64 } from './base64-failures';
import type { ImageFacts } from './image';
import type { StaleUpdate } from './recovery';

/** What speaks against bringing a firmware onto a device before anything is known of the device. */
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

/** An update by somebody else, seen as it happens: under way, or flashed and waiting for the reboot. */
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

/** The errors of a transfer after which something may be staged. */
const staged: ReadonlySet<ErrorCode> = new Set<ErrorCode>([
  'PUBLISH_TIMEOUT',
  'CLOSED_AT_PUBLISH',
  'NOT_ACCEPTED',
  'STALLED',
  'LOST_IN_TRANSFER',
]);

/** The same error, of a device that stays locked: its hint says so. */
export function maybeStaged(error: HomieError): HomieError {
  const { code, text: problem, advice, cause } = error;
  return staged.has(code) ? new HomieError(`${code}.maybeStaged`, { problem, advice }, { cause }) : error;
}

/** Why a device is not touched that may be in the middle of an update. */
export function inTheMiddle(answer: StaleUpdate): HomieError {
  if (answer === 'flashed') return new HomieError('REBOOT_PENDING');
  return new HomieError(answer === 'silence' ? 'NOT_ACCEPTED.nothingSent' : 'ANOTHER_UPDATER');
}

/**
 * Whether the last that is known of an update is its middle: it may go on, or may have left the device half dead. Only
 * statistics tell that it is idle.
 */
export function leftInTheMiddle({ otaStatus, uptime, state }: Device): boolean {
  const kind = otaStatus === undefined ? undefined : parseStatus(otaStatus.value)?.kind;
  if (kind !== 'accepted' && kind !== 'progress') return false;
  const idle = uptime?.live === true && uptime.at >= Math.max(state?.at ?? 0, otaStatus?.at ?? 0);
  return !idle;
}
