/** What the package adds to the start of Node-RED. */
import { execFile } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { cp, readFile, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { promisify } from 'node:util';
import { linkedUserDir, root, startNodeRed } from '../../test/support/node-red';
import { NODE, now, Participant } from '../process';
import type { tasks as Package } from '../processes/package';
import { alternate, median, ms, type Figure } from '../report';
import { Scene, writeImage } from '../scene';

/**
 * Scripts that load the nodes as Node-RED does, or mqtt alone, and print how long that took, in ms. Both load Node-RED
 * first, because its modules are already loaded when it loads the nodes.
 */
const scripts = {
  ours: `require('node-red');
    const { nodes } = require('./package.json')['node-red'];
    const RED = new Proxy(() => RED, { get: (_, name) => (name === Symbol.toPrimitive ? () => '' : RED) });
    const begun = performance.now();
    for (const file of Object.values(nodes)) require('./' + file)(RED);
    console.log(performance.now() - begun);`,
  mqtt: `require('node-red');
    const begun = performance.now();
    require('mqtt');
    console.log(performance.now() - begun);`,
};

/** Time that the package adds to the start of Node-RED, beyond mqtt.js. */
export const loading: Figure = {
  number: 8,
  title: 'Loading the package',
  async measure(bench) {
    const load = (script: string) => async (): Promise<number> => {
      const { stdout } = await promisify(execFile)(process.execPath, ['-e', script], { cwd: root });
      return Number(stdout);
    };
    const contestants = { ours: load(scripts.ours), mqtt: load(scripts.mqtt) };
    await alternate(1, contestants);
    const { ours, mqtt } = await alternate(bench.quick ? 3 : 15, contestants);
    return [
      {
        what: 'time beyond that of mqtt.js',
        value: median(ours) - median(mqtt),
        unit: 'ms',
        limit: { atMost: 60 },
        note: `${ms(median(ours))} / ${ms(median(mqtt))}`,
      },
    ];
  },
};

/** Number of devices in each job that has ended. */
const DEVICES = 1;

/** Size of the image in bytes. */
const SMALL = 40_000;

/** The start of a node that has stored jobs. */
export const restart: Figure = {
  number: 11,
  title: 'Start with 1,000 ended and 50 open jobs',
  async measure({ quick, folder: work }) {
    const [ended, open, rounds] = quick ? [20, 5, 1] : [1000, 50, 7];
    const folder = await fill(work, { ended, open });
    const start = (from: () => string, jobs: number) => async (): Promise<number> => {
      await using ours = new Participant<typeof Package>('package');
      const found = await ours.ask('restart', { folder: from() });
      if (found.jobs !== jobs) throw new Error(`${found.jobs} of ${jobs} jobs were continued.`);
      return found.time;
    };
    const contestants = {
      stored: start(() => folder, ended + open),
      empty: start(() => path.join(work, randomUUID()), 0),
    };
    const { stored, empty } = await alternate(rounds, contestants);
    const starts = { stored: () => startTime(folder), empty: () => startTime() };
    await alternate(1, starts);
    const nodeRed = await alternate(rounds, starts);
    return [
      {
        what: 'start of Node-RED, beyond that without jobs',
        value: median(nodeRed.stored) - median(nodeRed.empty),
        unit: 'ms',
        limit: { atMost: 150 },
        note: `${ms(median(nodeRed.stored))} / ${ms(median(nodeRed.empty))}`,
      },
      {
        what: 'until all jobs are continued',
        value: median(stored) - median(empty),
        unit: 'ms',
        note: `${ms(median(stored))} / ${ms(median(empty))}`,
      },
    ];
  },
};

/** Returns ms from the start of Node-RED, with copies of the stored jobs, until it has started the flows. */
async function startTime(jobs?: string): Promise<number> {
  const userDir = await linkedUserDir();
  if (jobs !== undefined) await cp(jobs, path.join(userDir, 'homie-ota'), { recursive: true });
  const flows = [
    { id: 'tab', type: 'tab' },
    { id: 'broker', type: 'homie-broker', host: '127.0.0.1', port: '1', baseTopic: 'homie/' },
    { id: NODE, type: 'homie-ota', z: 'tab', x: 0, y: 0, broker: 'broker', wires: [[], [], []] },
  ];
  const begun = now();
  const nodeRed = await startNodeRed({ userDir, flows });
  const time = now() - begun;
  await nodeRed.stop();
  await rm(userDir, { recursive: true });
  return time;
}

/**
 * Runs a job to its end, which no device accepts, so that it can be retried; stores another one, which waits for its
 * devices; and copies their files under other ids. Returns the folder.
 */
async function fill(work: string, copies: { readonly ended: number; readonly open: number }): Promise<string> {
  await using scene = await Scene.open({ folder: work, count: DEVICES, size: SMALL, reboot: 5 });
  await using ours = new Participant<typeof Package>('package');
  const folder = await ours.ask('open', { url: scene.url, folder: work });
  const jobs = path.join(folder, 'jobs');
  const image = await writeImage(work, SMALL, 1, 'other');
  const { ids } = scene;
  const ended = await ours.ask('store', { image, devices: ids, concurrency: DEVICES, isRun: true });
  const away = ids.map((id) => `away-${id}`);
  const open = await ours.ask('store', { image, devices: away, concurrency: DEVICES, isRun: false });
  for (const [id, count] of [
    [ended, copies.ended],
    [open, copies.open],
  ] as const) {
    const text = await readFile(path.join(jobs, `${id}.jsonl`), 'utf8');
    for (let copy = 1; copy < count; copy += 1) {
      const other = randomUUID();
      await writeFile(path.join(jobs, `${other}.jsonl`), text.replaceAll(id, other));
    }
  }
  return folder;
}
