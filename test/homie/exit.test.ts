import assert from 'node:assert/strict';
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { startAedes } from '../support/aedes';
import { mosquittoAvailable, startMosquitto } from '../support/mosquitto';
import { freePort, startListening } from '../support/ports';

/** Runs a process that connects and closes. Resolves with its exit code; a process that does not end fails by time-out. */
async function exitOf(...args: string[]): Promise<unknown> {
  const child = fork(join(__dirname, 'exits.ts'), args, { execArgv: ['--require', 'tsx/cjs'] });
  const closed = once(child, 'message');
  const [code] = await once(child, 'exit');
  assert.deepEqual(await closed, ['closed', undefined]);
  return code;
}

describe('A process ends by itself when its homie-broker is closed', () => {
  it('that was connected', async function () {
    const aedes = await startAedes();
    const urls = [aedes.url];
    const mosquitto = mosquittoAvailable() ? await startMosquitto() : undefined;
    if (mosquitto !== undefined) urls.push(mosquitto.url);
    assert.equal(await exitOf('connected', ...urls), 0);
    await mosquitto?.stop();
    await aedes.close();
  });

  it('that waited for its next attempt', async () => {
    assert.equal(await exitOf('disconnected', `mqtt://127.0.0.1:${await freePort()}`), 0);
  });

  it('that got no answer', async () => {
    const server = createServer((socket) => socket.on('error', () => undefined));
    const port = await startListening(server);
    const urls = ['mqtt', 'mqtts', 'ws'].map((scheme) => `${scheme}://127.0.0.1:${port}`);
    assert.equal(await exitOf('connecting', ...urls), 0);
    server.close();
  });
});
