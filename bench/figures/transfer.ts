import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { now, Participant } from '../process';
import type { tasks as Client } from '../processes/client';
import type { tasks as Package } from '../processes/package';
import { alternate, median, ms, ratio, type Figure, type Measurement } from '../report';
import { Scene } from '../scene';

/** Transfer of 500 kB to one device: time from the publish call to the last byte at the device. */
export const transfer: Figure = {
  number: 1,
  title: 'One transfer of 500 kB',
  async measure({ quick, folder }) {
    const [blocks, transfers] = quick ? [2, 3] : [30, 10];
    await using scene = await Scene.open({ folder, count: 1, reboot: 5 });
    await using ours = new Participant<typeof Package>('package');
    await using client = new Participant<typeof Client>('client');
    const { url } = scene;
    const tiny = path.join(folder, 'tiny.bin');
    await writeFile(tiny, 'x');
    const repeat = async (transfer_: () => Promise<number>): Promise<number[]> => {
      const times: number[] = [];
      for (let count = 0; count < transfers; count += 1) times.push(await transfer_());
      return times;
    };
    // Only the contestant being measured is connected.
    const bare = (follows: boolean) => async (): Promise<number[]> => {
      await client.ask('open', { url, follows });
      const times = await repeat(() =>
        scene.update(1, (image, devices) => client.ask('publish', { image, devices, concurrency: 1, waits: false })),
      );
      await client.ask('close');
      return times;
    };
    const contestants = {
      ours: async (): Promise<number[]> => {
        await ours.ask('open', { url, folder });
        const times = await repeat(() =>
          scene.update(1, (image, devices) => ours.ask('update', { image, devices, concurrency: 1 })),
        );
        await ours.ask('close');
        return times;
      },
      client: bare(false),
      follower: bare(true),
      command: () => repeat(() => scene.update(1, ({ file, md5 }) => publishFile(scene, file, md5))),
      // The device refuses the single byte immediately, so that the time is that of the start of mosquitto_pub.
      start: () => repeat(() => startTime(scene, tiny)),
    };
    await alternate(1, contestants);
    return compare(await alternate(blocks, contestants));
  },
};

type Times = Readonly<Record<'ours' | 'client' | 'follower' | 'command' | 'start', readonly (readonly number[])[]>>;

/** Compares the contestants. @param times blocks of times in ms for each contestant */
function compare(times: Times): Measurement[] {
  const all = (name: keyof Times): number[] => times[name].flat();
  const [own, withoutStart] = [median(all('ours')), median(all('command')) - median(all('start'))];
  return [
    {
      what: 'against a bare publish of mqtt.js',
      value: ratio(all('ours'), all('client')),
      unit: 'x',
      limit: { atMost: 1.05 },
      note: `${ms(own)} / ${ms(median(all('client')))}`,
    },
    {
      what: 'against one that is told how far the device is, too',
      value: ratio(all('ours'), all('follower')),
      unit: 'x',
      note: `${ms(own)} / ${ms(median(all('follower')))}`,
    },
    {
      what: 'against mosquitto_pub -f, without its start',
      value: own / withoutStart,
      unit: 'x',
      note: `${ms(own)} / ${ms(withoutStart)}; its start takes ${ms(median(all('start')))}`,
    },
  ];
}

async function startTime(scene: Scene, file: string): Promise<number> {
  await scene.devices.ask('count');
  const [{ publishedAt }, endedAt] = await Promise.all([
    publishFile(scene, file, 'none'),
    scene.devices.ask('received', 1),
  ]);
  return endedAt - publishedAt;
}

/** Publishes a file with mosquitto_pub. `publishedAt` is the time at which the process was started, in ms of `now`. */
async function publishFile(scene: Scene, file: string, level: string): Promise<{ publishedAt: number }> {
  const { hostname, port } = new URL(scene.url);
  const topic = `homie/${scene.ids[0]}/$implementation/ota/firmware/${level}`;
  const publishedAt = now();
  const child = spawn('mosquitto_pub', ['-h', hostname, '-p', port, '-q', '1', '-t', topic, '-f', file]);
  const [code] = await once(child, 'exit');
  if (code !== 0) throw new Error(`mosquitto_pub ended with ${code}.`);
  return { publishedAt };
}
