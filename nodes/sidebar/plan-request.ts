import type { JsonObject } from '../../src/config/json';
import { readPatch } from '../../src/config/patch';
import { HomieError } from '../../src/errors';
import { MAX_DEVICES } from '../../src/homie/device';
import { checkDeviceId } from '../../src/homie/topics';
import { isAbsent, membersOf, readDevices, type Request } from '../shared/request';
import { planActions, type PlanAction, type PlanRequest } from './answers';
import { SidebarRefusal } from './sidebar-refusal';

/** Maximum length of a text, in characters. */
const MAX_TEXT = 100;

/** Maximum size of a patch, in bytes. The whole configuration of a device has fewer than 1000. */
const MAX_PATCH = 4096;

/** The fields of each action. Any other is refused, so that a misspelled `devices` never means all devices. */
const fieldsOf: Readonly<Record<PlanAction, readonly (keyof PlanRequest)[]>> = {
  update: ['devices', 'checksum'],
  rollback: ['devices'],
  set: ['devices', 'patch', 'allowRisky', 'split'],
  cancel: ['devices', 'job'],
  retry: ['devices', 'job'],
  resume: ['devices', 'job'],
  exclude: ['devices'],
  include: ['devices'],
};

/**
 * Reads the request for a plan.
 *
 * @throws {SidebarRefusal} malformed
 * @throws {HomieError} NO_DEVICE, INVALID_DEVICE_ID; what is wrong with the patch
 */
export function readPlanRequest(body: unknown): PlanRequest {
  const { action, ...fields } = membersOf(body) ?? {};
  const known = planActions.find((each) => each === action);
  if (known === undefined) throw new SidebarRefusal('malformed');
  const allowed: readonly string[] = fieldsOf[known];
  if (Object.keys(fields).some((name) => !allowed.includes(name))) throw new SidebarRefusal('malformed');
  const { devices, job, checksum, patch } = fields;
  if (isAbsent(devices) && isAbsent(job) && known !== 'update') throw new HomieError('NO_DEVICE');
  if (known === 'set' && isAbsent(patch)) throw new SidebarRefusal('malformed');
  return {
    action: known,
    ...('devices' in fields && { devices: readIds(devices) }),
    ...('job' in fields && { job: readText(job) }),
    ...('checksum' in fields && { checksum: readText(checksum).toLowerCase() }),
    ...('patch' in fields && { patch: readSmallPatch(patch) }),
    ...readFlags(fields, 'allowRisky'),
    ...readFlags(fields, 'split'),
  };
}

/** @throws {SidebarRefusal} malformed */
export function readText(value: unknown): string {
  if (typeof value !== 'string' || value.length > MAX_TEXT) throw new SidebarRefusal('malformed');
  return value;
}

function readIds(value: unknown): string[] {
  if (!Array.isArray(value) || value.length > MAX_DEVICES) throw new SidebarRefusal('malformed');
  return readDevices(value).map(checkDeviceId);
}

function readSmallPatch(value: unknown): JsonObject {
  if (membersOf(value) === undefined || Buffer.byteLength(JSON.stringify(value)) > MAX_PATCH) {
    throw new SidebarRefusal('malformed');
  }
  return readPatch(value);
}

function readFlags(fields: Request, name: 'allowRisky' | 'split'): Partial<PlanRequest> {
  const value = fields[name];
  if (value === undefined) return {};
  if (typeof value !== 'boolean') throw new SidebarRefusal('malformed');
  return { [name]: value };
}
