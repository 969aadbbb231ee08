import { t } from './sidebar-dom.js';
import { sentences } from './sidebar-sentences.js';
import { glance } from './sidebar-firmware.js';

/** Maximum size of a file, in bytes. */
const MOST = 16 * 1024 * 1024;

/**
 * Reads the header of a file and uploads the file to Node-RED, which inspects it.
 *
 * @param seen called with the facts in the header
 * @param progress called with 0 to 100
 * @param signal aborts the upload
 * @returns the answer of Node-RED: `{ id, firmware }`
 * @throws {Failure}
 */
export async function bring(file, { seen, progress, signal }) {
  if (file.size > MOST) throw new Failure(t('tooLarge'));
  const bytes = await file.arrayBuffer();
  const sight = glance(bytes);
  seen(sight);
  const answer = await send(bytes, progress, signal);
  // For a packed file, Node-RED has the MD5 of the unpacked content.
  if (sight.chip !== undefined && answer.firmware.md5 !== sight.md5) throw new Failure(t('damaged'));
  return answer;
}

/** A refusal: a sentence, and what to do. */
export class Failure extends Error {}

/** Sends a request to Node-RED. @throws {Failure} */
export async function ask(path, body) {
  try {
    return await $.ajax({
      url: `homie-ota/firmware/${path}`,
      method: 'POST',
      contentType: 'application/json',
      data: JSON.stringify(body),
      dataType: 'json',
    });
  } catch (failed) {
    throw failure(failed);
  }
}

/** Deletes an uploaded file from Node-RED. */
export function discard(id) {
  $.ajax({ url: `homie-ota/firmware/${encodeURIComponent(id)}`, method: 'DELETE' }).catch(() => undefined);
}

async function send(bytes, progress, signal) {
  const request = $.ajax({
    url: 'homie-ota/firmware',
    method: 'POST',
    contentType: 'application/octet-stream',
    data: bytes,
    processData: false,
    dataType: 'json',
    xhr: () => {
      const xhr = $.ajaxSettings.xhr();
      xhr.upload.addEventListener('progress', ({ loaded, total }) => progress((loaded / total) * 100));
      return xhr;
    },
  });
  signal.addEventListener('abort', () => request.abort());
  try {
    return await request;
  } catch (failed) {
    throw failure(failed);
  }
}

function failure({ status, responseJSON }) {
  if (responseJSON?.says !== undefined) return new Failure(sentences(responseJSON.says));
  return new Failure(t(status === 401 || status === 403 ? 'mayNotWrite' : 'unreachable'));
}
