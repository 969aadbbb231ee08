import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { NAME } from './images';
import { now } from './process';

/** What `ota_updater.py` of Homie for ESP8266 prints when it is connected, and when it has seen the image run. */
const CONNECTED = 'Waiting for device to come online';
const PROVEN = 'Update Successful';

/**
 * Lets `ota_updater.py` bring an image onto `bench-1`.
 *
 * @returns ms from its connection to its proof: neither the start of Python nor the connecting counts, as they do not for a
 * flow that runs
 */
export async function runReference(
  { python, reference }: { readonly python: string; readonly reference: string },
  url: string,
  file: string,
): Promise<number> {
  const { hostname, port } = new URL(url);
  // Unbuffered: each line comes when it is printed.
  const child = spawn(python, ['-u', reference, '-l', hostname, '-p', port, '-i', `${NAME}-1`, file]);
  let output = '';
  let connectedAt = Number.NaN;
  let provenAt = Number.NaN;
  const read = (chunk: Buffer): void => {
    const at = now();
    output += chunk.toString();
    if (Number.isNaN(connectedAt) && output.includes(CONNECTED)) connectedAt = at;
    if (Number.isNaN(provenAt) && output.includes(PROVEN)) provenAt = at;
  };
  child.stdout.on('data', read);
  child.stderr.on('data', read);
  await once(child, 'close');
  if (Number.isNaN(provenAt)) throw new Error(`${reference} did not prove the update:\n${output}`);
  return provenAt - connectedAt;
}
