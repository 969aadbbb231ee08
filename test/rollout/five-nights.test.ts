import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { Firmware } from '../../src/firmware/firmware';
import { md5 } from '../../src/firmware/checksum';
import { divideByImage } from '../../src/rollout/by-image';
import type { Job } from '../../src/rollout/job';
import { otaWork, type OtaWish } from '../../src/rollout/ota-work';
import { Queue } from '../../src/rollout/queue';
import { readWindow } from '../../src/settings/times';
import { FolderSource } from '../../src/sources/folder';
import { searchSource, type LastChosen } from '../../src/sources/search';
import { patient, sequential } from '../ota/lab';
import { TestClock } from '../support/clock';
import { describeIf } from '../support/describe-if';
import { buildEsp8266Image } from '../support/images';
import { mosquittoAvailable } from '../support/mosquitto';
import { inTimeZone } from '../support/time-zone';
import { Home } from './home';

const HOUR = 3_600_000;
const { signal } = new AbortController();

/** Returns the image of a version. */
const image = (version: string, seed: number): Buffer =>
  buildEsp8266Image({ name: 'my-light', version, size: 40_000, seed });
const images = {
  '1.0.0': image('1.0.0', 1),
  '1.1.0': image('1.1.0', 2),
  '1.2.0': image('1.2.0', 3),
  '1.3.0': image('1.3.0', 4),
};

describeIf(mosquittoAvailable())('a nightly update from a folder, over five nights', () => {
  inTimeZone('Europe/Berlin');
  let home: Home;
  let folder: string;
  const last: LastChosen = new Map();

  before(async () => {
    folder = await mkdtemp(path.join(tmpdir(), 'nights-'));
    home = await Home.open(new TestClock('2026-01-10T12:00Z'));
  });
  after(async () => {
    if (folder === undefined) return;
    await Queue.of(home.broker).leave('nightly', true);
    await home.close();
    await rm(folder, { recursive: true });
  });

  const wish = (changes: Partial<OtaWish>): OtaWish => ({
    choice: { runningThisFirmware: true },
    settings: patient,
    rollout: {
      ...sequential,
      window: readWindow('01:00-05:00'),
      canary: 1,
      soak: HOUR,
      maxFailures: 1,
      order: 'id',
      expires: 72 * HOUR,
    },
    ...changes,
  });

  /** Does what the flow does every night: searches the folder, and updates all devices to what it finds. */
  const everyNight = async (): Promise<Job> => {
    const source = new FolderSource({
      folder,
      shown: 'images',
      patterns: ['*.bin'],
      subfolders: false,
    });
    const { chosen, refused } = await searchSource(source, last, 60_000, signal);
    assert.deepEqual([chosen.length, refused.length], [1, 0]);
    const firmware = chosen[0]?.firmware;
    assert.ok(firmware);
    await Queue.of(home.broker).library.offer(home.broker.locks.scope, firmware);
    return start(firmware, wish({}));
  };
  const start = async (firmware: Firmware, wanted: OtaWish): Promise<Job> => {
    const { broker, clock } = home;
    const work = otaWork(firmware, wanted, { broker, clock });
    const { job, run } = await Queue.of(broker).ask({ node: 'nightly', store: undefined }, work, {});
    await home.begin(job, run);
    return job;
  };
  const offerInFolder = (version: keyof typeof images): Promise<void> =>
    writeFile(path.join(folder, `my-light-${version}.bin`), images[version]);
  /** Lets the time pass to 6:00 in the morning of a day in January. */
  const untilMorning = (day: number): Promise<void> =>
    home.pass(Date.parse(`2026-01-${day}T05:00Z`) - home.clock.date().getTime());
  const running = (): string[] =>
    [...home.devices.values()].map(({ id, checksum }) => `${id} ${versions.get(checksum) ?? checksum}`);
  const versions = new Map<string, string>();
  /** Returns how the devices of a job have ended. */
  const ends = (job: Job): string[] =>
    job.devices.map(({ device, state, reason, error }) =>
      [device, state, reason ?? error?.code].filter(Boolean).join(' '),
    );

  it('updates the canary first, stops where it is not well, goes back, and sends nothing twice', async () => {
    for (const [version, bytes] of Object.entries(images)) versions.set(await md5(bytes), version);
    for (const id of ['attic', 'cellar', 'hall']) await home.add(id, { image: images['1.0.0'] });
    const sleeper = await home.add('porch', { image: images['1.0.0'] });
    sleeper.prepareToSleep();
    await home.inStep();

    // First night: a new image. The canary is proven and observed, then the others; one device sleeps.
    await offerInFolder('1.1.0');
    const first = await everyNight();
    assert.equal(first.summary().stage, 'window');
    await untilMorning(11);
    assert.deepEqual(ends(first), ['attic succeeded', 'cellar succeeded', 'hall succeeded', 'porch waiting offline']);
    assert.ok((home.result('cellar')?.at ?? 0) - (home.result('attic')?.at ?? 0) >= HOUR);

    // Second night: nothing new. The same job goes on, and the device that wakes gets the image.
    assert.equal((await everyNight()).id, first.id);
    await home.pass(22 * HOUR);
    await sleeper.wake();
    await untilMorning(12);
    assert.deepEqual(running(), ['attic 1.1.0', 'cellar 1.1.0', 'hall 1.1.0', 'porch 1.1.0']);

    // Third night: a new image, with which the canary does not stay well.
    await offerInFolder('1.2.0');
    const third = await everyNight();
    await home.until(() => home.results.some(({ job, state }) => job === third.id && state === 'succeeded'));
    const canary = home.devices.get('attic');
    await canary?.stop();
    await untilMorning(13);
    assert.deepEqual([third.summary().state, third.summary().error?.code], ['stopped', 'CANARY_UNSTABLE']);
    await canary?.start();
    await home.inStep();
    assert.deepEqual(running(), ['attic 1.2.0', 'cellar 1.1.0', 'hall 1.1.0', 'porch 1.1.0']);

    // The user goes back with the canary, by day.
    const { library } = Queue.of(home.broker);
    const { groups } = await divideByImage({
      broker: home.broker,
      library,
      origin: 'previous',
      choice: { devices: ['attic'] },
      exclude: [],
      continuous: false,
      signal,
    });
    const [group] = groups;
    assert.equal(group?.image.version, '1.1.0');
    const back = await start(
      await library.read(group?.image.md5 ?? ''),
      wish({
        choice: { devices: ['attic'] },
        settings: { ...patient, allowDowngrade: true },
        rollout: sequential,
        origin: 'previous',
      }),
    );
    await home.until(() => back.isEnded);
    assert.deepEqual(ends(back), ['attic succeeded']);

    // Fourth night: the same image again. It was stopped, and is held back on the canary.
    const fourth = await everyNight();
    await untilMorning(14);
    assert.deepEqual(ends(fourth).sort(), [
      'attic skipped held',
      'cellar skipped stopped',
      'hall skipped stopped',
      'porch skipped stopped',
    ]);

    // Fifth night: a newer image, for all.
    await offerInFolder('1.3.0');
    const fifth = await everyNight();
    await untilMorning(15);
    assert.deepEqual(ends(fifth).sort(), ['attic succeeded', 'cellar succeeded', 'hall succeeded', 'porch succeeded']);
    assert.deepEqual(running(), ['attic 1.3.0', 'cellar 1.3.0', 'hall 1.3.0', 'porch 1.3.0']);

    const received = [...home.devices.values()].map(({ id, images: all }) =>
      [id, ...all.map(({ topic }) => versions.get(topic.split('/').at(-1) ?? ''))].join(' '),
    );
    assert.deepEqual(received, [
      'attic 1.1.0 1.2.0 1.1.0 1.3.0',
      'cellar 1.1.0 1.3.0',
      'hall 1.1.0 1.3.0',
      'porch 1.1.0 1.3.0',
    ]);
  });
});
