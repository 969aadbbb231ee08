import type { NodeMessage } from 'node-red';
import { tryReadPatch } from '../src/config/patch';
import { maskObject } from '../src/config/secrets';
import type { Request } from './request';

/**
 * Takes the patch out of a message if a secret is in it: catch and complete nodes get the message itself, and a debug
 * node shows all that it holds. A masked patch must not stay in its place, since somebody may send it once more.
 *
 * @param secretNames what the names of secret settings contain; undefined when that is not known
 * @returns the message as it was
 */
export function takePatch(msg: NodeMessage, secretNames: readonly string[] | undefined): Request {
  const request = { ...msg };
  const { payload } = msg;
  if (!mayHoldSecret(payload, secretNames)) return request;
  for (const [name, value] of Object.entries(msg)) if (value === payload) Reflect.deleteProperty(msg, name);
  const { req } = request;
  // An http in node leaves what it received there too; other branches of the flow have the same object.
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
