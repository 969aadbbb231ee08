import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { alternate, median, ratio } from '../arithmetic';
import type { Bench, Figure, Measurement } from '../figure';
import { NAME, SIZE } from '../images';
import { Contestant, now } from '../process';
import type { handlers as Client } from '../processes/client';
import type { handlers as Package } from '../processes/package';
import { Scene } from '../scene';
import { ms } from '../text';

/** One device, 500 kB: from the call that publishes to the last byte at the device. */
export const transfer: Figure = {
  number: 1,
  title: 'One transfer of 500 kB',
  async measure(bench: Bench): Promise<Measurement[]> {
    const [blocks, transfers] = bench.quick ? [2, 3] : [10, 10];
    const { folder } = bench;
    const scene = await Scene.open({ folder, count: 1, size: SIZE, reboot: 5 });
    const ours = await Contestant.start<typeof Package>('package');
    const client = await Contestant.start<typeof Client>('client');
    const begin = path.join(folder, 'begin.bin');
    await writeFile(begin, 'x');
    const repeat = async (once_: () => Promise<number>): Promise<number[]> => {
      const times: number[] = [];
      for (let count = 0; count < transfers; count += 1) times.push(await once_());
      return times;
    };
    const round = { count: 1, concurrency: 1 };
    const bare = (follows: boolean) => async (): Promise<number[]> => {
      await client.ask('open', { url: scene.url, follows });
      const times = await repeat(() =>
        scene.brings(1, (image) => client.ask('publish', { image, ...round, waits: false })),
      );
      await client.ask('close');
      return times;
    };
    const contestants = {
      // Only who is measured is connected.
      ours: async (): Promise<number[]> => {
        await ours.ask('open', { url: scene.url, folder });
        const times = await repeat(() =>
          scene.brings(1, async (image) => (await ours.ask('update', { image, ...round })).publishedAt),
        );
        await ours.ask('close');
        return times;
      },
      client: bare(false),
      follower: bare(true),
      command: () => repeat(() => scene.brings(1, ({ file, md5 }) => publishFile(scene, file, md5))),
      // The device refuses it at once: its time is that of the start of mosquitto_pub.
      start: () => repeat(() => startOf(scene, begin)),
    };
    try {
      await alternate(1, contestants);
      const results = await alternate(blocks, contestants);
      const all = (name: keyof typeof contestants): number[] => results[name].flat();
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
    } finally {
      await ours.stop();
      await client.stop();
      await scene.close();
    }
  },
};

async function startOf(scene: Scene, file: string): Promise<number> {
  await scene.devices.ask('count');
  const [begunAt, endedAt] = await Promise.all([publishFile(scene, file, 'none'), scene.devices.ask('received', 1)]);
  return endedAt - begunAt;
}

/** @returns when the process was started, in ms of `now` */
async function publishFile(scene: Scene, file: string, level: string): Promise<number> {
  const { hostname, port } = new URL(scene.url);
  const topic = `homie/${NAME}-1/$implementation/ota/firmware/${level}`;
  const begunAt = now();
  const child = spawn('mosquitto_pub', ['-h', hostname, '-p', port, '-q', '1', '-t', topic, '-f', file]);
  const [code] = await once(child, 'exit');
  if (code !== 0) throw new Error(`mosquitto_pub ended with ${code}.`);
  return begunAt;
}
