/** A process with a Node-RED and a homie-ota node in a flow. */
import { readFile } from 'node:fs/promises';
import { connected } from '../../test/nodes/scene';
import { stopFlow, TestFlow } from '../../test/nodes/flow';
import { NAME } from '../images';
import { now, serve } from '../process';

let flow: TestFlow | undefined;

export const handlers = serve({
  /** @param folder for what Node-RED keeps. Resolves when it is connected, and what is retained has been received */
  open: async ({ url, folder }: { url: string; folder: string }): Promise<void> => {
    const { hostname: host, port } = new URL(url);
    flow = await TestFlow.start({ host, port }, { device: `${NAME}-1`, canary: '0' }, { userDir: folder });
    await flow.showed(connected);
    await flow.broker.settled();
  },
  /** Sends the message with the image. @returns ms until the result of the node */
  update: async (file: string): Promise<number> => {
    if (flow === undefined) throw new Error('There is no flow.');
    const payload = await readFile(file);
    const { result } = flow;
    const count = result.messages.length;
    const begunAt = now();
    flow.send({ payload });
    const message = await result.nth(count + 1);
    const time = now() - begunAt;
    const { state }: { state?: unknown } = Object(message.payload);
    if (state !== 'succeeded') throw new Error(`The update ended as ${String(state)}.`);
    return time;
  },
  close: stopFlow,
});
