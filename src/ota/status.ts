import type { ErrorCode } from '../errors';
import type { Device } from '../homie/device';
import type { ErrorKey } from '../texts/text';

/**
 * What a device reports on `$implementation/ota/status`.
 *
 * - `accepted` 202, `progress` 206, `flashed` 200: the steps of a successful transfer
 * - `unchanged` 304: the MD5 in the topic is that of the running image
 * - `disabled` 403: OTA is disabled
 * - `refused`: any other 4xx or 5xx; the transfer has ended
 * - `other`: any other number below 400; only a sign of life
 */
export type OtaStatus = { readonly text: string } & (
  | { readonly kind: 'accepted' | 'flashed' | 'unchanged' | 'disabled' | 'other' }
  | { readonly kind: 'progress'; readonly written: number; readonly total: number }
  | {
      readonly kind: 'refused';
      readonly code: ErrorCode;
      /** The variant of the error, if the number says more than the word. */
      readonly key?: ErrorKey;
      /** The updater is stuck: only a reconnect or a reboot frees it. */
      readonly stuck: boolean;
    }
);

/** The longest status, in characters. No firmware sends longer ones; they are cut for messages and logs. */
const MAX_TEXT = 80;

/** The meaning of n in `500 INTERNAL_ERROR n`: error numbers from Updater.h and Update.h of the Arduino cores. */
const internalErrors: Record<'esp8266' | 'esp32', Record<string, ErrorKey>> = {
  esp8266: {
    '0': 'INTERNAL_ERROR.stuck',
    '8': 'INTERNAL_ERROR.flashSize',
    '11': 'INTERNAL_ERROR.uartMode',
    '12': 'INTERNAL_ERROR.unsigned',
    '14': 'INTERNAL_ERROR.outOfMemory',
    '15': 'INTERNAL_ERROR.stuck',
  },
  esp32: {
    '0': 'INTERNAL_ERROR.stuck',
    '9': 'INTERNAL_ERROR.otherChip',
    '10': 'INTERNAL_ERROR.noPartition',
    '11': 'INTERNAL_ERROR.misused',
    '12': 'INTERNAL_ERROR.aborted',
  },
};

/** The words of the original firmware and, after the first four, of its maintained fork (labodj/homie-esp8266). */
const codes: Readonly<Record<string, ErrorCode>> = {
  BAD_CHECKSUM: 'BAD_CHECKSUM',
  BAD_FIRMWARE: 'BAD_FIRMWARE',
  NOT_ENOUGH_SPACE: 'NOT_ENOUGH_SPACE',
  FLASH_ERROR: 'FLASH_ERROR',
  NOT_REQUESTED: 'TRANSFER_REFUSED',
  BAD_CHUNK: 'TRANSFER_REFUSED',
  SIZE_CHANGED: 'TRANSFER_REFUSED',
  OUT_OF_SEQUENCE: 'TRANSFER_REFUSED',
  RETAINED_FIRMWARE: 'RETAINED_FIRMWARE',
  TIMEOUT: 'DEVICE_TIMEOUT',
  OUT_OF_MEMORY: 'DEVICE_OUT_OF_MEMORY',
  DISCONNECTED: 'TRANSFER_REFUSED',
  UPDATE_BUSY: 'DEVICE_UPDATE_BUSY',
  BUSY: 'DEVICE_UPDATE_BUSY',
  REBOOT_PENDING: 'DEVICE_REBOOT_PENDING',
};

/**
 * Parses a status. The leading number decides; the rest is kept as text (homie-esp8266 BootNormal.cpp `_endOtaUpdate`;
 * the fork adds suffixes such as `400 BAD_CHECKSUM 7 END`).
 *
 * @param raw the payload as received
 * @param implementation `$implementation` of the device: the numbers of INTERNAL_ERROR differ by chip
 * @returns undefined if the payload is not a status
 */
export function parseStatus(raw: string, implementation = 'esp8266'): OtaStatus | undefined {
  const text = raw.slice(0, MAX_TEXT).trim();
  const [, number, word = '', detail, phase] = /^(\d{3})(?: ([^ ]+))?(?: ([^ ]+))?(?: ([^ ]+))?/.exec(text) ?? [];
  switch (number) {
    case undefined:
      return undefined;
    case '200':
      return { kind: 'flashed', text };
    case '202':
      return { kind: 'accepted', text };
    case '206': {
      const [, written, total] = /^(\d{1,10})\/(\d{1,10})$/.exec(word) ?? [];
      return written === undefined || total === undefined
        ? { kind: 'other', text }
        : { kind: 'progress', text, written: Number(written), total: Number(total) };
    }
    case '304':
      return { kind: 'unchanged', text };
    case '403':
      return { kind: 'disabled', text };
    default:
      return Number(number) < 400
        ? { kind: 'other', text }
        : refusal(text, number, word, detail, phase, implementation);
  }
}

/** Returns whether a device refuses because it is in the middle of an update, or still has to boot one. */
export function isBusy(code: ErrorCode): boolean {
  return code === 'DEVICE_UPDATE_BUSY' || code === 'DEVICE_REBOOT_PENDING';
}

function refusal(
  text: string,
  number: string,
  word: string,
  detail: string | undefined,
  phase: string | undefined,
  implementation: string,
): OtaStatus {
  if (word === 'INTERNAL_ERROR') {
    const key = own(internalErrors[implementation === 'esp32' ? 'esp32' : 'esp8266'], detail ?? '');
    // With a phase behind the number, it is the fork, whose updater is never stuck.
    const isStuck = phase === undefined && key === 'INTERNAL_ERROR.stuck';
    const known = key === 'INTERNAL_ERROR.stuck' && !isStuck ? undefined : key;
    return {
      kind: 'refused',
      text,
      code: 'INTERNAL_ERROR',
      stuck: isStuck,
      ...(known !== undefined && { key: known }),
    };
  }
  const code =
    own(codes, word) ??
    (number === '408' ? 'DEVICE_TIMEOUT' : number === '503' ? 'DEVICE_UPDATE_BUSY' : 'UNKNOWN_STATUS');
  return { kind: 'refused', text, code, stuck: false };
}

/** A word from a device may be the name of an inherited property of every object. */
function own<Value>(values: Readonly<Record<string, Value>>, name: string): Value | undefined {
  return Object.hasOwn(values, name) ? values[name] : undefined;
}

/** Returns whether a status is about an image that a device is taking or has taken, not about the one that it runs. */
export function concernsImage(text: string): boolean {
  const kind = parseStatus(text)?.kind;
  return kind !== undefined && kind !== 'unchanged' && kind !== 'disabled';
}

/** Returns how many bytes a device reports as written; 0 if it has only accepted the image. */
export function writtenBytes(device: Pick<Device, 'otaStatus'> | undefined): number {
  const status = parseStatus(device?.otaStatus?.value ?? '');
  return status?.kind === 'progress' ? status.written : 0;
}
