/** The stored history of a device, and checks of what was read from a file. */
import { isState, type FirmwareName, type Update } from '../../update/update';

/** The record of one image on one device. */
export interface ImageRecord {
  /** Number of transfers started since the device last ran the image, or since the user last allowed it. */
  readonly transfers: number;
  /** Whether the device was seen to run the image. */
  readonly had: boolean;
  readonly held?: Exclude<Held, 'ATTEMPTS'>;
  /** The device ran the image until another image was installed on purpose. */
  readonly replaced?: true;
}

/** The stop of a rollout of an image by failures. */
export interface ImageStop {
  /** ISO 8601. */
  readonly at: string;
}

/** The node that has updated or changed a device. */
export interface Author {
  readonly id: string;
  readonly name?: string;
}

/** The result of a device in a job, without what a patch has changed. */
export interface Remembered extends Omit<Update, 'config'> {
  readonly node?: Author;
}

/** The history of a device, or the stopped images of a scope, as stored in a file. Plain data. */
export interface DeviceHistory {
  readonly images: readonly (readonly [md5: string, ImageRecord])[];
  readonly results: readonly Remembered[];
  readonly stops?: readonly (readonly [md5: string, ImageStop])[];
}

/** Why an image is held back from a device. */
export type Held = 'OLD_FIRMWARE' | 'OTHER_FIRMWARE' | 'NOT_BACK' | 'ATTEMPTS' | 'REPLACED';

/** Failures after which an image is held back: it does not run on the device, or harms it. */
export const heldBack: ReadonlySet<string | undefined> = new Set<Held>(['OLD_FIRMWARE', 'OTHER_FIRMWARE', 'NOT_BACK']);

/** Returns whether an error code holds an image back. */
export function isHeld(code: string | undefined): code is Exclude<Held, 'ATTEMPTS' | 'REPLACED'> {
  return heldBack.has(code);
}

/** Returns whether a value read from a file is an MD5 with its record. */
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

/** Returns whether a value read from a file is an MD5 with its stop. */
export function isStop(value: unknown): value is [string, ImageStop] {
  if (!Array.isArray(value) || typeof value[0] !== 'string') return false;
  const { at }: { at?: unknown } = Object(value[1]);
  return typeof at === 'string' && !Number.isNaN(Date.parse(at));
}

/** Returns whether a value is a valid result. The file may be damaged, and results are reported later. */
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
