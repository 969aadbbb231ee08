/** The part of the demo that changes a configuration and proves it, and shows that a risky patch is refused. */
import type { DeviceConfig } from '../src/config/read-config';
import type { ConfigCheckSummary } from '../src/config/check-device';
import type { Summary } from '../src/update/update';
import type { Observer, Seen } from './observer';
import { expect, say, sayError, seconds, signOfLife, times, uptime } from './report';

const PATIENCE = 60_000;
const INTERVAL = 120;

export async function changeConfiguration(url: string, observer: Observer): Promise<void> {
  const id = 'garden-light';
  const patch = { device_stats_interval: INTERVAL };
  say();
  say(`5. Let ${id} send its statistics every ${INTERVAL} s, by the patch ${JSON.stringify(patch)}.`);
  const read = await get<DeviceConfig>(url, id);
  say(`  It has     ${JSON.stringify(read.config)}`);
  say(`  and hides  ${read.stripped.join(', ')}`);
  expect(read.config['device_id'] === id, `the configuration of ${id} was not read`);
  const checked = await send<ConfigCheckSummary>(url, `${id}?action=check`, patch);
  const [check] = checked.devices;
  for (const { path, from, to } of check?.differences ?? []) {
    say(`  ${path}: ${JSON.stringify(from)} -> ${JSON.stringify(to)}`);
  }
  say(`  ${check?.reason ?? ''}`);
  expect(check?.verdict === 'set', `the check says: ${check?.verdict ?? 'nothing'}`);
  expect(observer.patches.length === 0, 'a patch was sent by a check');
  await proveChange(url, observer, id, patch);
  await refuseRisk(url, observer, id);
}

async function refuseRisk(url: string, observer: Observer, id: string): Promise<void> {
  say();
  say(`6. Send ${id} to another Wi-Fi network.`);
  const refused = await send<Summary>(url, id, { wifi: { ssid: 'another network' } });
  const error = refused.devices[0]?.error;
  say(`  ${refused.state}: ${error?.code ?? ''}`);
  say(`  ${error?.message ?? ''} ${error?.hint ?? ''}`);
  for (const { path, message } of refused.devices[0]?.config?.risks ?? []) say(`  ${path}: ${message}`);
  expect(refused.state === 'rejected' && error?.code === 'RISK_NOT_ALLOWED', 'the risky patch was not refused');
  expect(observer.patches.length === 1, 'the risky patch was sent');
  if (observer.patches.length === 1) say('  Nothing was sent to it.');
}

async function proveChange(url: string, observer: Observer, id: string, patch: object): Promise<void> {
  const before = { interval: interval(observer, id), uptime: uptime(observer, id) };
  const life: string[] = [];
  const follow = (seen: Seen): void => {
    const sign = observer.patches.length > 0 ? signOfLife(seen, id) : undefined;
    if (sign !== undefined) life.push(sign);
  };
  observer.on('seen', follow);
  const [result] = (await send<Summary>(url, id, patch)).devices;
  await observer.until(() => uptime(observer, id) < before.uptime);
  observer.off('seen', follow);

  const after = { interval: interval(observer, id), uptime: uptime(observer, id) };
  say(`  ${result?.state ?? ''} after ${seconds(result?.duration ?? 0)}`);
  sayError(result?.error);
  say();
  say('  What an observer at the broker saw:');
  say(`    device_stats_interval before  ${before.interval}`);
  say(`    device_stats_interval now     ${after.interval}`);
  say(`    $stats/uptime before          ${before.uptime} s`);
  say(`    $stats/uptime now             ${after.uptime} s`);
  say(`    in this order                 ${life.join(', ')}`);
  say(`    patch published               ${times(observer.patches.length)}`);
  if (after.interval === INTERVAL && after.uptime < before.uptime) {
    say('  So it has rebooted, and runs with the new configuration.');
  }

  expect(result?.state === 'succeeded' && result.reboot === 'proven', `the change of ${id} was not proven`);
  expect(result?.config?.taken.join() === 'device_stats_interval', 'the result does not name what was taken');
  expect(before.interval !== INTERVAL && after.interval === INTERVAL, `${id} does not publish the new interval`);
  expect(/init.*ready/.test(life.join(', ')), `${id} did not show init and ready in this order`);
  expect(observer.patches.length === 1, 'the patch was not published exactly once');
}

/** Returns the statistics interval in the configuration that the device publishes, in seconds. */
function interval(observer: Observer, id: string): number {
  const config: { device_stats_interval: number } = JSON.parse(
    observer.last(`homie/${id}/$implementation/config`) ?? '{}',
  );
  return config.device_stats_interval;
}

async function get<T>(url: string, device: string): Promise<T> {
  const response = await fetch(`${url}/config/${device}`, { signal: AbortSignal.timeout(PATIENCE) });
  const body: T = await response.json();
  return body;
}

async function send<T>(url: string, device: string, patch: object): Promise<T> {
  const response = await fetch(`${url}/config/${device}`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(patch),
    signal: AbortSignal.timeout(PATIENCE),
  });
  const body: T = await response.json();
  return body;
}
