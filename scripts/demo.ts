/**
 * Shows updates and configuration changes from end to end. Checks each step, and exits with 0 only if everything is
 * right. As proof it prints what an observer saw at the broker, independently of the nodes.
 */
import { readFile, rm } from 'node:fs/promises';
import { md5 } from '../src/firmware/checksum';
import type { CheckSummary } from '../src/ota/check';
import { isFinal, type State, type Summary, type Update } from '../src/update/update';
import { changeConfiguration } from './demo-config';
import { rollOut, rollout, staircase } from './demo-rollout';
import { Observer, type Seen } from './observer';
import { kilobytes, ProgressBar } from './progress-bar';
import { imagesInFolder, offerAndGoBack } from './demo-library';
import { describe, expect, say, sayError, seconds, signOfLife, times, uptime, wrong } from './report';
import { firmware, setScene } from './scene';

const PATIENCE = 60_000;
const HTML = '<!DOCTYPE html><html><body><h1>Please log in</h1></body></html>';

/** The answer of Node-RED to a request to the flow. */
interface Answer<T> {
  readonly status: number;
  readonly body: T;
}

async function send<T>(url: string, devices: string, content: Uint8Array<ArrayBuffer>, query = ''): Promise<Answer<T>> {
  const response = await fetch(`${url}/firmware/${devices}${query}`, {
    method: 'POST',
    headers: { 'content-type': 'application/octet-stream' },
    body: content,
    signal: AbortSignal.timeout(PATIENCE),
  });
  const body: T = await response.json();
  return { status: response.status, body };
}

async function main(): Promise<void> {
  const begun = performance.now();
  say(
    'A broker, six simulated devices, and Node-RED with the flows "Take firmware by HTTP", "Take patches by HTTP", and "Firmware on offer":',
  );
  const flows = ['Take firmware by HTTP', 'Take patches by HTTP', 'Firmware on offer'];
  const folder = await imagesInFolder();
  const scene = await setScene(flows, { more: staircase, ota: rollout, folder });
  try {
    const observer = await Observer.open(scene.mqttUrl, ['homie/#', 'updates/progress']);
    try {
      await play(
        scene.nodeRed.url,
        observer,
        scene.devices.slice(0, 3).map(({ id }) => id),
      );
    } finally {
      await observer.close();
    }
  } finally {
    await scene.close();
    await rm(folder, { recursive: true });
  }
  say();
  if (wrong.length === 0) {
    say(`All is as it should be (${seconds(performance.now() - begun)}).`);
  } else {
    say(`${wrong.length} not as it should be:`);
    for (const what of wrong) say(`- ${what}`);
    process.exitCode = 1;
  }
}

async function play(url: string, observer: Observer, ids: readonly string[]): Promise<void> {
  const image = new Uint8Array(await readFile(firmware.new));
  const checksum = await md5(Buffer.from(image));
  await observer.until(() => ids.every((id) => observer.last(`homie/${id}/$stats/uptime`) !== undefined));
  for (const id of ids) say(`  ${id.padEnd(14)}${describe(observer, id)}`);

  say();
  say(`1. Ask what an image of ${kilobytes(image.length)} kB with the MD5 ${checksum} would do. Nothing is sent.`);
  const checked = await send<CheckSummary>(url, ids.join(','), image, '?action=check');
  for (const { device, verdict, reason } of checked.body.devices) {
    say(`  ${device.padEnd(14)}${verdict.padEnd(12)}${reason}`);
  }
  const verdicts = checked.body.devices.map(({ device, verdict }) => `${device} ${verdict}`).join(', ');
  expect(
    verdicts === 'kitchen-light update, hall-light up_to_date, garden-light update',
    `the check says: ${verdicts}`,
  );
  expect(observer.firmware.length === 0, 'firmware was sent by a check');

  say();
  say('2. Send it to kitchen-light.');
  await updateKitchenLight(url, observer, image, checksum);

  say();
  say('3. Send it to hall-light, which runs it already.');
  const skipped = await send<Summary>(url, 'hall-light', image);
  const [skip] = skipped.body.devices;
  say(`  ${skip?.state ?? ''}: ${skip?.reason ?? ''} (HTTP ${skipped.status})`);
  expect(skip?.state === 'skipped' && skip.reason === 'up_to_date', 'hall-light was not skipped as up to date');
  expect(skipped.status === 200, `the skip was answered by HTTP ${skipped.status}`);
  nothingSent(observer, 'hall-light');

  await refuseLoginPage(url, observer);
  await changeConfiguration(url, observer);
  await rollOut(observer, checksum, async (devices, query) => (await send<Summary>(url, devices, image, query)).body);
  await offerAndGoBack(url, observer);
}

async function refuseLoginPage(url: string, observer: Observer): Promise<void> {
  say();
  say('4. Send garden-light a login page, as a download may give it instead of a firmware.');
  const refused = await send<Summary>(url, 'garden-light', new TextEncoder().encode(HTML));
  const error = refused.body.devices[0]?.error;
  say(`  ${refused.body.state}: ${error?.code ?? ''} (HTTP ${refused.status})`);
  say(`  ${error?.message ?? ''} ${error?.hint ?? ''}`);
  expect(refused.body.state === 'rejected' && error?.code === 'FIRMWARE_IS_HTML', 'the HTML page was not refused');
  expect(refused.status === 422, `the refusal was answered by HTTP ${refused.status}`);
  nothingSent(observer, 'garden-light');
}

async function updateKitchenLight(
  url: string,
  observer: Observer,
  image: Uint8Array<ArrayBuffer>,
  checksum: string,
): Promise<void> {
  const id = 'kitchen-light';
  const before = { checksum: observer.last(`homie/${id}/$fw/checksum`), uptime: uptime(observer, id) };
  expect(before.checksum !== checksum, `${id} ran the image before it was sent`);

  const bar = new ProgressBar(process.stdout);
  const shown: number[] = [];
  let last: State = 'queued';
  const life: string[] = [];
  const follow = (seen: Seen): void => {
    const { topic, payload } = seen;
    if (topic === 'updates/progress') {
      const update: Update = JSON.parse(payload.toString());
      if (update.device !== id) return;
      shown.push(update.progress);
      last = update.state;
      bar.show(update);
    } else if (observer.firmware.length > 0) {
      const sign = signOfLife(seen, id);
      if (sign !== undefined) life.push(sign);
    }
  };
  observer.on('seen', follow);
  const { status, body } = await send<Summary>(url, id, image);
  await observer.until(() => isFinal(last));
  observer.off('seen', follow);
  bar.end();

  const [result] = body.devices;
  const after = { checksum: observer.last(`homie/${id}/$fw/checksum`), uptime: uptime(observer, id) };
  say(`  ${result?.state ?? ''} after ${seconds(result?.duration ?? 0)} (HTTP ${status})`);
  sayError(result?.error);
  say(`  ${id.padEnd(14)}${describe(observer, id)}`);
  say();
  say('  What an observer at the broker saw:');
  say(`    $fw/checksum before   ${before.checksum ?? 'none'}`);
  say(`    MD5 of the image      ${checksum}`);
  say(`    $fw/checksum now      ${after.checksum ?? 'none'}`);
  say(`    $stats/uptime before  ${before.uptime} s`);
  say(`    $stats/uptime now     ${after.uptime} s`);
  say(`    in this order         ${life.join(', ')}`);
  say(`    firmware published    ${times(observer.firmware.length)}`);

  if (after.checksum === checksum && after.uptime < before.uptime) {
    say('  So it has rebooted, and the image is what runs.');
  }

  expect(status === 200 && result?.state === 'succeeded', `${id} was not updated`);
  expect(result?.reboot === 'proven', `the reboot of ${id} was not proven`);
  expect(after.checksum === checksum, `${id} reports another checksum than that of the image`);
  expect(after.uptime < before.uptime, `the uptime of ${id} tells of no reboot`);
  expect(/init, checksum, ready/.test(life.join(', ')), `${id} did not show init, checksum and ready in this order`);
  expect(observer.firmware.length === 1, 'the firmware was not published exactly once');
  expect(shown.length > 4 && shown.at(-1) === 100, 'the progress was not shown up to 100 %');
  expect(
    shown.every((percent, index) => percent >= (shown[index - 1] ?? 0)),
    'the progress fell',
  );
}

function nothingSent(observer: Observer, id: string): void {
  const sent = observer.firmware.filter(({ topic }) => topic.startsWith(`homie/${id}/`)).length;
  if (sent === 0) say('  Nothing was sent to it.');
  expect(sent === 0, `firmware was sent to ${id}`);
}

main().catch((error: unknown) => {
  console.error(error);
  process.exitCode = 1;
});
