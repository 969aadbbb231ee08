import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { startNodeRed, type NodeRed } from '../../test/support/node-red';
import { now } from '../process';
import { alternate, median, ms, ratio, type Bench, type Figure } from '../report';
import { Scene } from '../scene';

/** Time from the message with an image to the proof that the image runs. */
export const proof: Figure = {
  number: 2,
  title: 'From the input message to the proof',
  async measure(bench) {
    const { reference } = bench;
    const rounds = bench.quick ? 3 : 11;
    // Each image is new to the package, which would hold back an image that the script has replaced.
    await using scene = await Scene.open({ folder: bench.folder, count: 1, reboot: 200, images: 2 * (rounds + 1) + 1 });
    const nodeRed = await startNodeRed({ flows: [] });
    /** Updates the device, and waits until it is ready. Returns ms to the proof. */
    const update = async (send: (file: string) => Promise<number>): Promise<number> => {
      const { file, md5 } = scene.next();
      const time = await send(file);
      await scene.devices.ask('run', { md5, count: 1 });
      return time;
    };
    const contestants: Record<string, () => Promise<number>> = {
      // Only the contestant being measured is connected.
      ours: async () => {
        await deploy(nodeRed, flow(scene));
        const time = await update((file) => updateByFlow(nodeRed, file));
        await deploy(nodeRed, []);
        return time;
      },
      ...(reference !== undefined && {
        theirs: () => update((file) => updateByScript({ ...bench, reference }, scene, file)),
      }),
    };
    try {
      await alternate(1, contestants);
      const { ours = [], theirs } = await alternate(rounds, contestants);
      const time = ms(median(ours));
      return [
        {
          what: 'against ota_updater.py',
          value: theirs === undefined ? undefined : ratio(ours, theirs),
          unit: 'x',
          limit: { atMost: 1 },
          note: theirs === undefined ? `${time} / -; needs --reference` : `${time} / ${ms(median(theirs))}`,
        },
      ];
    } finally {
      await nodeRed.stop();
    }
  },
};

/** Returns a flow that sends the body of a request to a homie-ota, and answers with the result, or the check. */
function flow({ url, ids: [device] }: Scene): object[] {
  const { hostname: host, port } = new URL(url);
  const node = { z: 'bench', x: 0, y: 0 };
  const clock = { ...node, type: 'function', outputs: 1, libs: [{ var: 'perf', module: 'perf_hooks' }] };
  const begin = 'return { ...msg, action: msg.req.query.action, begun: perf.performance.now() };';
  const end = 'return { ...msg, payload: { ...msg.payload, time: perf.performance.now() - msg.begun } };';
  return [
    { id: 'bench', type: 'tab', label: 'bench' },
    { id: 'broker', type: 'homie-broker', baseTopic: 'homie/', host, port },
    { id: 'in', ...node, type: 'http in', method: 'post', url: '/bench', wires: [['begin']] },
    { id: 'begin', ...clock, func: begin, wires: [['ota']] },
    {
      id: 'ota',
      ...node,
      type: 'homie-ota',
      broker: 'broker',
      device,
      deviceType: 'str',
      canary: '0',
      wires: [['end'], [], ['check']],
    },
    { id: 'end', ...clock, func: end, wires: [['out']] },
    { id: 'check', ...clock, func: "return msg.req.query.action === 'check' ? msg : null;", wires: [['out']] },
    { id: 'out', ...node, type: 'http response', wires: [] },
  ];
}

/** Replaces the flow, and waits until the new one has started. */
async function deploy(nodeRed: NodeRed, nodes: readonly object[]): Promise<void> {
  const { length } = nodeRed.log();
  const headers = { 'Content-Type': 'application/json' };
  const body = JSON.stringify(nodes);
  const { ok, status } = await fetch(`${nodeRed.url}/flows`, { method: 'POST', headers, body });
  if (!ok) throw new Error(`Node-RED refuses the flow (${status}).`);
  await nodeRed.logged(/Started flows/, length);
}

/** Returns ms from the message into the homie-ota to its result. */
async function updateByFlow({ url }: NodeRed, file: string): Promise<number> {
  const body = await readFile(file);
  const ask = async (action: string): Promise<{ counts?: { update?: number }; state?: string; time: number }> => {
    const headers = { 'Content-Type': 'application/octet-stream' };
    const response = await fetch(`${url}/bench?action=${action}`, { method: 'POST', headers, body });
    return JSON.parse(await response.text());
  };
  // The check answers when the node is connected and has received the retained messages.
  const { counts } = await ask('check');
  if (counts?.update !== 1) throw new Error('The device cannot be updated.');
  const { state, time } = await ask('update');
  if (state !== 'succeeded') throw new Error(`The update ended as ${state}.`);
  return time;
}

/** Lines that `ota_updater.py` of Homie for ESP8266 prints when it is connected, and when the image runs. */
const CONNECTED = 'Waiting for device to come online';
const PROVEN = 'Update Successful';

/**
 * Updates the device with `ota_updater.py`. Returns ms from its connection to its proof. As for a running flow, neither
 * start nor connecting count.
 */
async function updateByScript(
  { python, reference }: Pick<Bench, 'python'> & { readonly reference: string },
  { url, ids: [device = ''] }: Scene,
  file: string,
): Promise<number> {
  const { hostname, port } = new URL(url);
  // Unbuffered, so that each line arrives when it is printed.
  const child = spawn(python, ['-u', reference, '-l', hostname, '-p', port, '-i', device, file]);
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
