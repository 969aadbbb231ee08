import assert from 'node:assert/strict';
import { connect, createServer } from 'node:net';
import type { ConnectionOptions } from '../../src/mqtt/connection';
import { describeIf } from '../support/describe-if';
import { mosquittoAvailable, startMosquitto, type MosquittoOptions } from '../support/mosquitto';
import { buildEsp8266Image } from '../support/images';
import { startListening } from '../support/ports';
import { check } from '../../src/ota/check';
import { Lab, next, patient, raw, type Brought } from './lab';

const quick = { accepted: 500, sending: 3000 };

/** Bytes. A limit that allows everything except firmware. */
const LIMIT = 20_000;

describeIf(mosquittoAvailable())('a broker that does not take the firmware', () => {
  const bring = async (
    options: MosquittoOptions,
    protocolVersion: ConnectionOptions['protocolVersion'],
    image = next,
  ): Promise<Brought> => {
    const mosquitto = await startMosquitto(options);
    try {
      const lab = await Lab.open(mosquitto.url, { statsInterval: 1 }, { protocolVersion });
      try {
        const brought = await lab.bring(await raw(image), quick);
        assert.equal(lab.device.images.length, 0);
        return brought;
      } finally {
        await lab.close();
      }
    } finally {
      await mosquitto.stop();
    }
  };
  const errorOf = ({ outcome }: Brought): { state: string; code: string; hint: string } => {
    assert.ok('error' in outcome);
    return { state: outcome.state, code: outcome.error.code, hint: outcome.error.hint };
  };

  // Everybody may do everything except publish firmware.
  const acl = [
    'topic readwrite homie/+/+',
    'topic readwrite homie/+/+/+',
    'topic read homie/+/$implementation/ota/firmware/+',
  ];
  for (const topic of ['config/set', 'ota/status', 'ota/enabled'])
    acl.push(`topic readwrite homie/+/$implementation/${topic}`);
  const forbidding = { acl };

  it('MQTT 5, forbidden by an ACL: PUBLISH_DENIED', async () => {
    const { state, code } = errorOf(await bring(forbidding, 5));
    assert.deepEqual({ state, code }, { state: 'failed', code: 'PUBLISH_DENIED' });
  });

  it('MQTT 5, message_size_limit: PACKET_TOO_LARGE', async () => {
    const { state, code } = errorOf(await bring({ config: [`message_size_limit ${LIMIT}`] }, 5));
    assert.deepEqual({ state, code }, { state: 'failed', code: 'PACKET_TOO_LARGE' });
  });

  it('MQTT 5, max_packet_size: PACKET_TOO_LARGE before anything is sent', async () => {
    const { state, code } = errorOf(await bring({ config: [`max_packet_size ${LIMIT}`] }, 5));
    assert.deepEqual({ state, code }, { state: 'rejected', code: 'PACKET_TOO_LARGE' });
  });

  it('MQTT 5, max_packet_size: a check says so', async () => {
    const mosquitto = await startMosquitto({ config: [`max_packet_size ${LIMIT}`] });
    try {
      const lab = await Lab.open(mosquitto.url, {}, { protocolVersion: 5 });
      try {
        const choice = { devices: [lab.device.id] };
        const [ota] = (await check(lab.broker, await raw(next), choice, patient)).devices;
        assert.equal(ota?.verdict, 'incompatible');
        assert.match(ota?.reason ?? '', /at most 20000 bytes.* Raise the limit/);
        const fits = await raw(buildEsp8266Image({ name: 'my-light', version: '1.1.0', size: 18_000 }));
        assert.equal((await check(lab.broker, fits, choice, patient)).devices[0]?.verdict, 'update');
        const base64 = { ...patient, encoding: 'base64' } as const;
        assert.equal((await check(lab.broker, fits, choice, base64)).devices[0]?.verdict, 'incompatible');
      } finally {
        await lab.close();
      }
    } finally {
      await mosquitto.stop();
    }
  });

  for (const [code, reason, advice] of [
    [151, /quota is exceeded \(reason code 151\)/, /quota/],
    [135, /not authorized.* \(reason code 135\)/, /ACL/],
    [155, /QoS.* \(reason code 155\)/, /QoS 1/],
  ] as const) {
    it(`MQTT 5, closed with reason code ${code}: CLOSED_AT_PUBLISH with this reason`, async () => {
      const mosquitto = await startMosquitto({});
      const server = createServer((client) => {
        const target = connect(mosquitto.port, '127.0.0.1');
        client.on('data', (bytes: Buffer) => {
          // Close when a PUBLISH with QoS 1 to the firmware topic starts.
          if (bytes.includes('/ota/firmware/') && bytes[0] === 0x32) client.end(Buffer.from([0xe0, 2, code, 0]));
          else if (!target.destroyed) target.write(bytes);
        });
        target.on('data', (bytes: Buffer) => client.writable && client.write(bytes));
        for (const socket of [client, target]) {
          socket.on('error', () => undefined);
          socket.once('close', () => [client, target].forEach((each) => each.destroy()));
        }
      });
      const port = await startListening(server);
      try {
        const lab = await Lab.open(
          mosquitto.url,
          { statsInterval: 1 },
          { protocolVersion: 5, url: `mqtt://127.0.0.1:${port}` },
        );
        try {
          const { outcome } = await lab.bring(await raw(next), quick);
          assert.ok('error' in outcome);
          assert.equal(outcome.error.code, 'CLOSED_AT_PUBLISH');
          assert.match(outcome.error.message, reason);
          assert.match(outcome.error.hint, advice);
        } finally {
          await lab.close();
        }
      } finally {
        server.close();
        await mosquitto.stop();
      }
    });
  }

  it('MQTT 3.1.1, forbidden by an ACL, of which the broker says nothing: NOT_ACCEPTED with the possible causes', async () => {
    const { state, code, hint } = errorOf(await bring(forbidding, 4));
    assert.deepEqual({ state, code }, { state: 'failed', code: 'NOT_ACCEPTED' });
    assert.match(hint, /ACL.*message_size_limit/);
  });

  it('MQTT 3.1.1, message_size_limit, of which the broker says nothing: NOT_ACCEPTED with the possible causes', async () => {
    const { state, code, hint } = errorOf(await bring({ config: [`message_size_limit ${LIMIT}`] }, 4));
    assert.deepEqual({ state, code }, { state: 'failed', code: 'NOT_ACCEPTED' });
    assert.match(hint, /ACL.*message_size_limit/);
  });

  it('MQTT 3.1.1: a device whose statistics show that it is idle is not given the time to receive a large image', async () => {
    // The exchange would allow two minutes for its size.
    const large = buildEsp8266Image({ name: 'my-light', version: '1.1.0', size: 960_000 });
    const { code } = errorOf(await bring({ config: [`message_size_limit ${LIMIT}`] }, 4, large));
    assert.equal(code, 'NOT_ACCEPTED');
  });

  it('MQTT 3.1.1, max_packet_size, at which the broker closes the connection: CLOSED_AT_PUBLISH', async () => {
    const { state, code, hint } = errorOf(await bring({ config: [`max_packet_size ${LIMIT}`] }, 4));
    assert.deepEqual({ state, code }, { state: 'failed', code: 'CLOSED_AT_PUBLISH' });
    assert.match(hint, /log of the broker.*max_packet_size.*ACL.*quota/);
  });
});
