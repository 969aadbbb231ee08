import assert from 'node:assert/strict';
import { connect, createServer, type Server } from 'node:net';
import { readPatch } from '../../src/config/patch';
import { checkConfig, type ConfigCheck } from '../../src/config/check-device';
import { codeOf, Lab } from '../ota/lab';
import { describeIf } from '../support/describe-if';
import { mosquittoAvailable, startMosquitto, type Mosquitto } from '../support/mosquitto';
import { startListening } from '../support/ports';
import { bring, patient } from './lab';

/** A patch of a number of bytes. */
function patchOf(size: number): { readonly settings: { readonly greeting: string } } {
  return { settings: { greeting: 'A'.repeat(size - JSON.stringify({ settings: { greeting: '' } }).length) } };
}

/** Passes all on to a broker and back, but answers a patch by what `answer` makes of its packet id, if it does. */
async function startAnswering(
  port: number,
  answer: (id: number) => Buffer | undefined,
  ends: boolean,
): Promise<{ readonly url: string; readonly server: Server }> {
  const server = createServer((client) => {
    const target = connect(port, '127.0.0.1');
    client.on('data', (bytes: Buffer) => {
      const topic = bytes.indexOf('/$implementation/config/set');
      const isPublish = topic > 0 && (bytes[0] ?? 0) >> 4 === 3;
      const id = isPublish && bytes.readUInt16BE(topic + '/$implementation/config/set'.length);
      const response = id === false ? undefined : answer(id);
      if (response === undefined) {
        if (!target.destroyed) target.write(bytes);
      } else if (ends) client.end(response);
      else client.write(response);
    });
    target.on('data', (bytes: Buffer) => client.writable && client.write(bytes));
    for (const socket of [client, target]) {
      socket.on('error', () => undefined);
      socket.once('close', () => [client, target].forEach((each) => each.destroy()));
    }
  });
  return { url: `mqtt://127.0.0.1:${await startListening(server)}`, server };
}

describeIf(mosquittoAvailable())('A broker that does not take the patch', () => {
  const ends: (() => unknown)[] = [];
  let mosquitto: Mosquitto;

  afterEach(async () => {
    for (const end of ends.splice(0).toReversed()) await end();
  });

  const open = async (url?: string, misbehavior = {}): Promise<Lab> => {
    const lab = await Lab.open(
      mosquitto.url,
      { statsInterval: 1, misbehavior },
      { protocolVersion: 5, ...(url !== undefined && { url }) },
    );
    ends.push(() => lab.close());
    return lab;
  };
  const start = async (config: string[]): Promise<void> => {
    mosquitto = await startMosquitto({ config });
    ends.push(() => mosquitto.stop());
  };

  it('since it is larger than the limit that the broker has announced: a check says so, and nothing is sent', async () => {
    await start(['max_packet_size 280']);
    const lab = await open();
    const { device, broker } = lab;
    const check = async (size: number): Promise<ConfigCheck | undefined> =>
      (await checkConfig(broker, readPatch(patchOf(size)), [device.id], patient)).devices[0];
    // Fixed header 1 + 2, topic 2 + n, packet id 2, properties 1.
    const most = 280 - 8 - Buffer.byteLength(`${broker.baseTopic}${device.id}/$implementation/config/set`);
    const fits = await check(most);
    assert.notEqual(fits?.verdict, 'rejected', fits?.reason);
    const refused = await check(most + 1);
    assert.equal(refused?.verdict, 'rejected');
    assert.match(refused.reason, /at most 280 bytes, but this message would have 281\. .*max_packet_size/);
    const { outcome } = await bring(lab, patchOf(most + 1));
    assert.ok('error' in outcome);
    assert.equal(outcome.error.code, 'PACKET_TOO_LARGE');
    assert.match(outcome.error.message, /at most 280 bytes, but this message would have 281/);
    assert.ok(!device.received.some(({ topic }) => topic.endsWith('/config/set')));
  });

  for (const [code, expected, message] of [
    [151, 'PUBLISH_REFUSED', /reason code 151/],
    [144, 'PUBLISH_REFUSED', /reason code 144/],
    [135, 'PUBLISH_DENIED', /./],
    [149, 'PACKET_TOO_LARGE', /./],
  ] as const) {
    it(`with the reason code ${code} of MQTT 5: ${expected}, with this reason`, async () => {
      await start([]);
      const puback = (id: number): Buffer => Buffer.of(0x40, 3, id >> 8, id & 255, code);
      const { url, server } = await startAnswering(mosquitto.port, puback, false);
      ends.push(() => server.close());
      const lab = await open(url);
      const { outcome } = await bring(lab, { name: 'New' });
      assert.ok('error' in outcome);
      assert.deepEqual([outcome.state, outcome.error.code], ['failed', expected]);
      assert.match(outcome.error.message, message);
    });
  }

  it('leaves a device locked that still has to reboot for the patch before', async () => {
    await start([]);
    let isRefused = false;
    const denied = (id: number): Buffer | undefined =>
      isRefused ? Buffer.of(0x40, 3, id >> 8, id & 255, 135) : undefined;
    const { url, server } = await startAnswering(mosquitto.port, denied, false);
    ends.push(() => server.close());
    const lab = await open(url, { notIdle: true });
    const first = await bring(lab, { name: 'New' }, { reboot: 600 });
    assert.equal(codeOf(first.outcome), 'NOT_APPLIED');
    isRefused = true;
    const second = await bring(lab, { name: 'Newer' });
    assert.equal(codeOf(second.outcome), 'PUBLISH_DENIED');
    assert.equal(lab.isPending, true);
  });

  for (const [code, message, hint] of [
    [151, /quota is exceeded \(reason code 151\)\. The device has not rebooted since/, /quota/],
    [135, /not authorized .*\(reason code 135\)\. The device has not rebooted since/, /ACL/],
  ] as const) {
    it(`and ends the connection with the reason code ${code} of MQTT 5: NOT_RECEIVED with this reason`, async () => {
      await start([]);
      const { url, server } = await startAnswering(mosquitto.port, () => Buffer.of(0xe0, 2, code, 0), true);
      ends.push(() => server.close());
      const lab = await open(url);
      const { outcome } = await bring(lab, { name: 'New' }, { received: 2000, reboot: 4000 });
      assert.ok('error' in outcome);
      assert.equal(outcome.error.code, 'NOT_RECEIVED');
      assert.match(outcome.error.message, message);
      assert.match(outcome.error.hint, hint);
    });
  }
});
