/** The part of the demo in which a folder offers firmware: one request updates a device, and one takes it back. */
import { copyFile, mkdtemp, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import type { ListedDevice } from '../src/devices/list';
import type { Summary } from '../src/update/update';
import { buildEsp8266Image } from '../test/support/images';
import type { Observer } from './observer';
import { describe, expect, say, seconds } from './report';
import { firmware } from './scene';

const ID = 'kitchen-light';

/** Makes a folder with two versions of a firmware. @returns its path */
export async function imagesInFolder(): Promise<string> {
  const folder = await mkdtemp(path.join(tmpdir(), 'homie-firmware-'));
  await copyFile(firmware.new, path.join(folder, path.basename(firmware.new)));
  const newest = buildEsp8266Image({ name: 'my-light', version: '1.2.0', size: 120_000 });
  await writeFile(path.join(folder, 'my-light-1.2.0.bin'), newest);
  return folder;
}

/** Offers what is in the folder, updates a device to it, and takes the device back. */
export async function offerAndGoBack(url: string, observer: Observer): Promise<void> {
  const request = async <T>(method: string, where: string): Promise<T> => {
    const response = await fetch(`${url}/${where}`, { method, signal: AbortSignal.timeout(60_000) });
    const body: T = await response.json();
    return body;
  };
  const update = async (): Promise<ListedDevice['update']> =>
    (await request<readonly ListedDevice[]>('GET', 'devices')).find(({ id }) => id === ID)?.update;
  const shown = (what: ListedDevice['update']): string =>
    `installed ${what?.installed ?? '?'}, on offer ${what?.offered ?? 'nothing'}: ${what?.state ?? 'no update'}`;

  say();
  say('8. Offer the firmware in a folder that holds my-light 1.1.0 and 1.2.0. Nothing is sent.');
  const { text } = await request<{ readonly text: string }>('POST', 'offer');
  say(`  ${text}`);
  const available = await update();
  say(`  ${ID.padEnd(14)}${shown(available)}`);
  expect(text.startsWith('my-light 1.2.0 is on offer'), `the offer says: ${text}`);
  expect(available?.state === 'available', `no update is available for ${ID}`);

  for (const [step, action, version, state] of [
    ['9. Update it with one request, without a file.', 'update', '1.2.0', 'up_to_date'],
    ['10. Take it back with one request.', 'rollback', '1.1.0', 'held'],
  ] as const) {
    say();
    say(step);
    const { state: end, duration } = await request<Summary>('POST', `devices/${ID}/${action}`);
    say(`  ${end} after ${seconds(duration)}`);
    say(`  ${ID.padEnd(14)}${describe(observer, ID)}`);
    const now = await update();
    say(`  ${ID.padEnd(14)}${shown(now)}`);
    expect(end === 'succeeded', `${action} of ${ID}: ${end}`);
    expect(observer.last(`homie/${ID}/$fw/version`) === version, `${ID} does not run ${version}`);
    expect(now?.state === state, `the update of ${ID} is ${now?.state ?? 'unknown'}`);
  }
}
