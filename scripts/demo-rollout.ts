/** The part of the demo that updates several devices: first a canary, and a sleeping device when it wakes. */
import type { Summary, Update } from '../src/update/update';
import type { Observer, Seen } from './observer';
import { describe, expect, say, seconds, signOfLife, times } from './report';

/** Observation time of the canary, in seconds. */
const SOAK = 3;
/** How long the sleeping device is awake and asleep, in ms. */
const nap = { awake: 400, asleep: 2_500 };

/** The devices of this part. They run the old firmware, and the last one sleeps most of the time. */
export const staircase = [
  { id: 'stairs-bottom', name: 'Light at the foot of the stairs' },
  { id: 'stairs-middle', name: 'Light on the landing' },
  { id: 'stairs-top', name: 'Motion sensor at the head of the stairs', sleep: nap },
].map((device) => ({ ...device, uptime: 3_600, flashDelay: 20, bootDelay: 700 }));

/** Rollout settings of the flow in this part. */
export const rollout = { canary: '1', soak: String(SOAK) };

/** Firmware that was sent to a device, or a sign of life from it. */
interface Sign {
  /** In ms. */
  readonly at: number;
  readonly id: string;
  readonly sign: string;
}

const ids = staircase.map(({ id }) => id);

/**
 * Rolls an image out to the staircase, and proves the result by what the observer saw.
 *
 * @param send sends the image to devices through the flow; `query` asks for another action
 */
export async function rollOut(
  observer: Observer,
  checksum: string,
  send: (devices: string, query?: string) => Promise<Summary>,
): Promise<void> {
  say();
  say(`7. Roll it out to stairs-*. One is the canary: it is watched for ${SOAK} s before the others follow.`);
  for (const id of ids) say(`  ${id.padEnd(14)}${describe(observer, id)}`);
  say(`  stairs-top sleeps: it is awake for ${nap.awake / 1000} s at a time.`);

  const begun = performance.now();
  const signs: Sign[] = [];
  const told = new Map<string, string>();
  let meanwhile: Promise<Summary> | undefined;
  const sayNow = (who: string, what: string): void =>
    say(`  ${seconds(performance.now() - begun).padStart(7)}  ${who.padEnd(14)}${what}`);
  const tellStatus = async (): Promise<Summary> => {
    const status = await send('stairs-*', '?action=status');
    sayNow('status', `${status.state}, ${status.stage ?? 'no stage'}`);
    return status;
  };
  const follow = (seen: Seen): void => {
    signs.push(...signsIn(seen));
    if (seen.topic !== 'updates/progress') return;
    const { device, state, phase, from, to }: Update = JSON.parse(seen.payload.toString());
    const step = phase ?? state;
    if (!ids.includes(device) || told.get(device) === step || step === 'queued' || step === 'running') return;
    told.set(device, step);
    const versions = state === 'succeeded' ? `, ${from.version ?? ''} -> ${to?.version ?? ''}` : '';
    sayNow(device, `${step}${versions}`);
    if (state === 'succeeded') meanwhile ??= tellStatus();
  };
  observer.on('seen', follow);
  const { state, text, duration } = await send('stairs-*');
  observer.off('seen', follow);

  say(`  ${state} after ${seconds(duration)}: ${text}`);
  expect(state === 'succeeded', `the rollout ended as ${state}`);
  const during = await meanwhile;
  expect(
    during?.state === 'running' && during.stage === 'soaking',
    'the status did not tell that the canary is watched',
  );
  prove(observer, checksum, signs);
  await observer.until(() => observer.last('homie/stairs-top/$state') === 'sleeping');
}

function prove(observer: Observer, checksum: string, signs: readonly Sign[]): void {
  const sent = signs.filter(({ sign }) => sign === 'firmware');
  /** When the nth device was ready again. */
  const readyAgain = sent.map(
    ({ id, at }) => signs.find((each) => each.id === id && each.at > at && each.sign === 'ready')?.at ?? Infinity,
  );
  const watched = (sent[1]?.at ?? 0) - (readyAgain[0] ?? Infinity);
  const states = signs.filter(({ id, sign }) => id === 'stairs-top' && /^[a-z]+$/.test(sign) && sign !== 'checksum');
  const top = states.findIndex(({ sign }) => sign === 'firmware');
  const before = states.slice(0, Math.max(top, 0));
  const afterReady = (states[top]?.at ?? Infinity) - (before.at(-1)?.at ?? 0);
  const naps = before.filter(({ sign }) => sign === 'sleeping').length;
  const oneByOne = sent.every(({ at }, index) => at > (readyAgain[index - 1] ?? 0));

  say();
  say('  What an observer at the broker saw:');
  say(`    MD5 of the image      ${checksum}`);
  for (const id of ids) say(`    ${id.padEnd(22)}${observer.last(`homie/${id}/$fw/checksum`) ?? 'none'}`);
  say(`    firmware published    to ${sent.map(({ id }) => id).join(', ')}`);
  say(`    canary watched        ${seconds(watched)} from its ready to the next publish`);
  say(`    stairs-top before     slept ${times(naps)}, and was sent to ${Math.round(afterReady)} ms after a ready`);
  const right = ids.every((id) => observer.last(`homie/${id}/$fw/checksum`) === checksum);
  if (right) say('  So all of them run the image, and each was sent it once.');

  expect(right, 'not all of the staircase report the checksum of the image');
  expect(sent.length === 3 && new Set(sent.map(({ id }) => id)).size === 3, 'the firmware was not sent to each once');
  expect(sent[0]?.id === 'stairs-bottom', 'the canary was not the first one');
  expect(watched >= SOAK * 1000, 'the others did not wait until the canary had been watched');
  expect(oneByOne, 'a device was sent to before the one before it was ready again');
  expect(naps > 0 && before.at(-1)?.sign === 'ready', 'stairs-top was not sent to when it woke');
  expect(afterReady < nap.awake, 'stairs-top was sent to too late after its ready');
}

function signsIn(seen: Seen): Sign[] {
  const at = performance.now();
  return ids.flatMap((id) => {
    const isFirmware = seen.topic.startsWith(`homie/${id}/$implementation/ota/firmware/`);
    const sign = isFirmware ? 'firmware' : signOfLife(seen, id);
    return sign === undefined ? [] : [{ at, id, sign }];
  });
}
