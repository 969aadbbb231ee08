import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { gzipSync } from 'node:zlib';
import { connectAsync, type MqttClient } from 'mqtt';
import { chromiumAvailable, Editor } from '../../test/support/editor';
import { startMosquitto } from '../../test/support/mosquitto';
import { root, startNodeRed } from '../../test/support/node-red';
import { median, ms, type Bench, type Figure, type Measurement } from '../report';

const DEVICES = 1000;

/** Changes per second while the frames are measured. */
const CHANGES = 20;

/** The sidebar in Chromium, with 1,000 devices. */
export const sidebar: Figure = {
  number: 9,
  title: 'Sidebar, 1,000 devices',
  async measure(bench) {
    const bundle = gzipSync(await readFile(path.join(root, 'resources/sidebar.js')));
    const size: Measurement = {
      what: 'size of its code, compressed',
      value: bundle.length / 1024,
      unit: 'KiB',
      limit: { atMost: 60_000 / 1024 },
      note: `${bundle.length} bytes`,
    };
    return chromiumAvailable() ? [size, ...(await inBrowser(bench))] : [size];
  },
};

async function inBrowser({ quick }: Bench): Promise<Measurement[]> {
  const broker = await startMosquitto();
  const client = await connectAsync(broker.url);
  try {
    await Promise.all(Array.from({ length: DEVICES }, (_, number) => announce(client, number)));
    const homie = {
      id: 'homie',
      type: 'homie-broker',
      host: '127.0.0.1',
      port: String(broker.port),
      baseTopic: 'homie/',
    };
    const nodeRed = await startNodeRed({ flows: [{ id: 'flow', type: 'tab', label: 'Flow' }, homie] });
    try {
      const opened: number[] = [];
      for (let round = 0; round < (quick ? 1 : 5); round += 1) opened.push(await opening(nodeRed.url));
      const frame = await longestFrame(nodeRed.url, client, quick ? 2 : 10);
      return [
        {
          what: 'from opening the tab to the first rows',
          value: median(opened),
          unit: 'ms',
          limit: { atMost: 100 },
          note: opened.map(ms).join(', '),
        },
        {
          what: `longest frame during ${CHANGES} changes a second`,
          value: frame,
          unit: 'ms',
          limit: { atMost: 100 },
          note: ms(frame),
        },
      ];
    } finally {
      await nodeRed.stop();
    }
  } finally {
    await client.endAsync();
    await broker.stop();
  }
}

async function announce(client: MqttClient, number: number): Promise<void> {
  const facts = {
    $name: `Light ${number}`,
    '$fw/name': 'my-light',
    '$fw/version': '1.0.0',
    '$fw/checksum': number.toString(16).padStart(32, '0'),
    $state: 'ready',
  };
  await Promise.all(
    Object.entries(facts).map(([topic, value]) =>
      client.publishAsync(`homie/light-${number}/${topic}`, value, { qos: 1, retain: true }),
    ),
  );
}

/** Returns the time from the click on the tab to its first rows, in ms. */
async function opening(url: string): Promise<number> {
  const editor = await Editor.open(url);
  try {
    const time: unknown = await editor.page.evaluate(`new Promise((resolve) => {
      const begun = performance.now();
      const look = () => document.querySelector('.homie-row') !== null ? resolve(performance.now() - begun) : requestAnimationFrame(look);
      RED.actions.invoke('homie-ota:show-devices');
      requestAnimationFrame(look);
    })`);
    return Number(time);
  } finally {
    await editor.close();
  }
}

/** Returns the longest time between two frames while devices change, in ms. */
async function longestFrame(url: string, client: MqttClient, seconds: number): Promise<number> {
  const editor = await Editor.open(url);
  try {
    const { page } = editor;
    await page.evaluate("RED.actions.invoke('homie-ota:show-devices')");
    await page.locator('.homie-row').first().waitFor();
    await page.evaluate(`window.longest = 0; (() => {
      let before = performance.now();
      const frame = (now) => { longest = Math.max(longest, now - before); before = now; requestAnimationFrame(frame); };
      requestAnimationFrame((now) => { before = now; requestAnimationFrame(frame); });
    })()`);
    for (let change = 0; change < seconds * CHANGES; change += 1) {
      const state = change % 2 === 0 ? 'alert' : 'ready';
      client.publish(`homie/light-${(change * 7) % DEVICES}/$state`, state, { qos: 0, retain: true });
      await sleep(1000 / CHANGES);
    }
    return Number(await page.evaluate('window.longest'));
  } finally {
    await editor.close();
  }
}
