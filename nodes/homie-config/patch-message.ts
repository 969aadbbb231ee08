import type { NodeMessage } from 'node-red';
import type { JsonObject } from '../../src/config/json';
import { readPatch, tryReadObject, tryReadPatch } from '../../src/config/patch';
import { maskObject } from '../../src/config/secrets';
import { HomieError } from '../../src/errors';
import { membersOf, type Request } from '../shared/request';

/**
 * Reads the patch in a message. Refuses an answer of our own nodes: a device would accept it as a patch, and keep its
 * keys in its file.
 *
 * @throws {HomieError} those of `readPatch`; PATCH_TYPE.answer: the payload is an answer
 */
export function patchOf({ payload }: Request): JsonObject {
  if (!isAnswer(payload)) return readPatch(payload);
  throw new HomieError('PATCH_TYPE.answer');
}

/** Whether a payload is an update, a summary, a check, a history, a configuration, a listed device, or an event. */
function isAnswer(payload: unknown): boolean {
  const { job, device, id, state, config, error, event, counts, devices, entries } = answerIn(payload);
  const names = [job, device, id].some((name) => typeof name === 'string');
  if (names && [state, config, error, event].some((value) => value !== undefined)) return true;
  return counts !== undefined && (Array.isArray(devices) || Array.isArray(entries) || typeof event === 'string');
}

function answerIn(payload: unknown): Request {
  if (typeof payload !== 'string') return membersOf(payload) ?? {};
  const read = tryReadObject(payload);
  return 'patch' in read ? read.patch : {};
}

/**
 * Removes the patch from a message if it may contain a secret: catch and complete nodes get the message itself, and a
 * debug node shows all of it. A masked patch must not stay in its place, since it could be sent again.
 *
 * @param secretNames the words that mark secret settings; undefined if not known
 * @returns the message as it was
 */
export function takePatch(msg: NodeMessage, secretNames: readonly string[] | undefined): Request {
  const request = { ...msg };
  const { payload } = msg;
  if (!mayHoldSecret(payload, secretNames)) return request;
  for (const [name, value] of Object.entries(msg)) if (value === payload) Reflect.deleteProperty(msg, name);
  const { req } = request;
  // An http in node also keeps the body here. Other branches of the flow have the same object, so it is replaced.
  if (typeof req === 'object' && req !== null && 'body' in req) {
    msg['req'] = Object.create(req, { body: { value: undefined } });
  }
  return request;
}

function mayHoldSecret(payload: unknown, secretNames: readonly string[] | undefined): boolean {
  if (payload === null || !(typeof payload === 'object' || typeof payload === 'string')) return false;
  const read = tryReadPatch(payload);
  if ('problem' in read || secretNames === undefined) return true;
  return JSON.stringify(maskObject(read.patch, secretNames)) !== JSON.stringify(read.patch);
}
