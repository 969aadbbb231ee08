/** A Node-RED that is killed while its flow works. */
import type { SimulatedDevice } from '../simulator/device';
import type { NodeRed } from '../support/node-red';

/** A flow that takes firmware and actions by HTTP, and appends all results to a file. */
export function killedFlow(brokerPort: number, results: string): object[] {
  const node = (id: string, type: string, more: object): object => ({ id, type, z: 'flow', x: 0, y: 0, ...more });
  const read = [
    "const { devices, action } = msg.req.query; msg.device = devices.split(','); msg.action = action;",
    'if (!Buffer.isBuffer(msg.payload) || msg.payload.length === 0) delete msg.payload;',
    'return msg;',
  ].join(' ');
  return [
    { id: 'flow', type: 'tab', label: 'kill' },
    { id: 'broker', type: 'homie-broker', host: '127.0.0.1', port: String(brokerPort), baseTopic: 'homie/' },
    node('in', 'http in', { url: '/ask', method: 'post', wires: [['read']] }),
    node('read', 'function', { func: read, outputs: 1, wires: [['ota']] }),
    node('ota', 'homie-ota', {
      settingsVersion: 2,
      broker: 'broker',
      device: 'device',
      deviceType: 'msg',
      concurrency: '3',
      canary: '1',
      soak: '0',
      wires: [['line'], ['once'], ['only']],
    }),
    node('line', 'function', {
      func: 'return { payload: JSON.stringify(msg.payload) };',
      outputs: 1,
      wires: [['file']],
    }),
    node('file', 'file', {
      filename: results,
      filenameType: 'str',
      appendNewline: true,
      overwriteFile: 'false',
      wires: [[]],
    }),
    node('once', 'function', {
      func: 'if (context.get(msg._msgid)) return; context.set(msg._msgid, true); return msg;',
      outputs: 1,
      wires: [['only']],
    }),
    node('only', 'function', { func: 'return msg.res ? msg : null;', outputs: 1, wires: [['answer']] }),
    node('answer', 'http response', { wires: [] }),
  ];
}

/** Sends an action and perhaps an image to the flow. @returns the payload of its first answer */
export async function askNodeRed(
  { url }: NodeRed,
  {
    ids,
    action,
    body,
  }: { readonly ids: readonly string[]; readonly action: string; readonly body?: Buffer | undefined },
): Promise<unknown> {
  const query = new URLSearchParams({ devices: ids.join(), action });
  const headers = { 'Content-Type': 'application/octet-stream' };
  const response = await fetch(`${url}/ask?${query}`, {
    method: 'POST',
    headers,
    ...(body && { body: new Uint8Array(body) }),
  });
  return response.json();
}

/** Resolves after a number of events of devices: messages that they publish or receive. */
export function events(devices: readonly SimulatedDevice[], count: number): Promise<void> {
  return new Promise((resolve) => {
    let seen = 0;
    const see = (): void => {
      seen += 1;
      if (seen < count) return;
      for (const device of devices) device.off('publish', see);
      resolve();
    };
    for (const device of devices) device.on('publish', see);
  });
}
