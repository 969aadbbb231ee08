/** The history of a device as it is stored, and whether what was read from a file is one. */
import { isState, type FirmwareName, type Update } from '../../update/update';

/** What is known of one image on one device. */
export interface ImageRecord {
  /** Begun since the device last ran it, or since the user last allowed it. */
  readonly transfers: number;
  /** The device was seen to run it. */
  readonly had: boolean;
  readonly held?: Exclude<Held, 'ATTEMPTS'>;
  /** The device had it, until another one was brought on purpose. */
  readonly replaced?: true;
}

/** A rollout of an image was stopped by failures. */
export interface ImageStop {
  /** ISO 8601. */
  readonly at: string;
}

/** Who has updated or changed a device: a node. */
export interface Author {
  readonly id: string;
  readonly name?: string;
}

/** How a job has ended with a device. What a patch has changed is not kept. */
export interface Remembered extends Omit<Update, 'config'> {
  readonly node?: Author;
}

/** What is remembered of a device, or of the images for all devices, as plain data, for a file. */
export interface DeviceHistory {
  readonly images: readonly (readonly [md5: string, ImageRecord])[];
  readonly results: readonly Remembered[];
  readonly stops?: readonly (readonly [md5: string, ImageStop])[];
}

/** Why an image is not sent again to a device. */
export type Held = 'OLD_FIRMWARE' | 'OTHER_FIRMWARE' | 'NOT_BACK' | 'ATTEMPTS' | 'REPLACED';

/** Failures after which an image is not sent again: it does not run there, or does harm. */
export const heldBack: ReadonlySet<string | undefined> = new Set<Held>(['OLD_FIRMWARE', 'OTHER_FIRMWARE', 'NOT_BACK']);

export function isHeld(code: string | undefined): code is Exclude<Held, 'ATTEMPTS' | 'REPLACED'> {
  return heldBack.has(code);
}

export function isImage(value: unknown): value is [string, ImageRecord] {
  if (!Array.isArray(value) || typeof value[0] !== 'string') return false;
  const { transfers, had, held, replaced }: Partial<Record<keyof ImageRecord, unknown>> = Object(value[1]);
  return (
    Number.isSafeInteger(transfers) &&
    Number(transfers) >= 0 &&
    typeof had === 'boolean' &&
    (held === undefined || held === 'REPLACED' || (typeof held === 'string' && isHeld(held))) &&
    (replaced === undefined || replaced === true)
  );
}

export function isStop(value: unknown): value is [string, ImageStop] {
  if (!Array.isArray(value) || typeof value[0] !== 'string') return false;
  const { at }: { at?: unknown } = Object(value[1]);
  return typeof at === 'string' && !Number.isNaN(Date.parse(at));
}

/** A file may have been damaged: what is told of later must be sound. */
export function isRemembered(value: unknown): value is Remembered {
  const {
    device,
    state,
    startedAt,
    duration,
    from,
    to,
    reason,
    hint,
    error,
    node,
    late,
  }: Partial<Record<keyof Remembered, unknown>> = Object(value);
  const end = Date.parse(String(startedAt)) + Number(duration);
  return (
    typeof device === 'string' &&
    isState(state) &&
    !Number.isNaN(new Date(end).getTime()) &&
    isFirmwareName(from) &&
    (to === undefined || isFirmwareName(to)) &&
    [reason, hint].every(isText) &&
    (late === undefined || late === true) &&
    (error === undefined || isText(Object(error).message)) &&
    (node === undefined || (typeof Object(node).id === 'string' && isText(Object(node).name)))
  );
}

function isFirmwareName(value: unknown): value is FirmwareName {
  if (typeof value !== 'object' || value === null) return false;
  const { name, version, checksum }: Partial<Record<keyof FirmwareName, unknown>> = value;
  return [name, version, checksum].every(isText);
}

function isText(value: unknown): value is string | undefined {
  return value === undefined || typeof value === 'string';
}
