import assert from 'node:assert/strict';
import { once } from 'node:events';
import { Connection } from '../../src/mqtt/connection';
import { startAedes } from '../support/aedes';
import { describeIf } from '../support/describe-if';
import { HANG_LIMIT } from '../support/limits';
import { mosquittoAvailable, startMosquitto, type Mosquitto } from '../support/mosquitto';
import { startProxy, type Proxy } from '../support/proxy';
import { connected } from '../support/statuses';

const TOPIC = 'homie/lamp/$implementation/ota/firmware/x';
const payload = Buffer.alloc(320_000, 0xe9);

/** A broker that tells how often it got the payload. */
interface CountingBroker {
  readonly port: number;
  count(): number;
  /** Resolves when it has got it once. */
  got(): Promise<void>;
  readonly mosquitto?: Mosquitto;
  stop(): Promise<void>;
}

async function countingMosquitto(persistence: boolean): Promise<CountingBroker> {
  const broker = await startMosquitto({ persistence, config: ['log_type debug'] });
  // It logs each publish that has arrived whole, with its topic and size.
  const line = new RegExp(`Received PUBLISH from .*${TOPIC.replaceAll('$', '\\$')}'.*\\(${payload.length} bytes`, 'g');
  return {
    port: broker.port,
    count: () => [...broker.log().matchAll(line)].length,
    got: () => broker.logged(`(${payload.length} bytes`),
    mosquitto: broker,
    stop: () => broker.stop(),
  };
}

async function countingAedes(): Promise<CountingBroker> {
  const broker = await startAedes();
  let count = 0;
  const first = new Promise<void>((resolve) => {
    broker.aedes.on('publish', ({ topic, payload: { length } }) => {
      if (topic !== TOPIC || length !== payload.length) return;
      count += 1;
      resolve();
    });
  });
  return { port: broker.port, count: () => count, got: () => first, stop: () => broker.close() };
}

const kinds: [string, 4 | 5, boolean, () => Promise<CountingBroker>][] = [
  ['mosquitto, MQTT 5', 5, true, () => countingMosquitto(false)],
  ['mosquitto with persistence, MQTT 5', 5, true, () => countingMosquitto(true)],
  ['mosquitto, MQTT 3.1.1', 4, true, () => countingMosquitto(false)],
  ['mosquitto with persistence, MQTT 3.1.1', 4, true, () => countingMosquitto(true)],
  ['aedes, MQTT 3.1.1', 4, false, countingAedes],
];

for (const [name, protocolVersion, isMosquitto, start] of kinds) {
  describeIf(!isMosquitto || mosquittoAvailable())(`A publish is never sent twice (${name})`, () => {
    let broker: CountingBroker;
    let proxy: Proxy;
    let connection: Connection;

    beforeEach(async () => {
      broker = await start();
      proxy = await startProxy(broker.port);
      const url = `mqtt://127.0.0.1:${proxy.port}`;
      connection = new Connection({ url, protocolVersion, reconnect: { min: 10, max: 50 } });
      connection.connect();
      await connected(connection);
    });
    afterEach(async () => {
      await connection.close();
      await proxy.close();
      await broker.stop();
    });

    /** The publish under way. */
    function publish(timeout = HANG_LIMIT): Promise<unknown> {
      return connection.publish(TOPIC, payload, { qos: 1, timeout });
    }

    /** Whatever was to be sent at a reconnect has reached the broker when this has. */
    async function comeBack(): Promise<void> {
      await connected(connection);
      await connection.publish('marker', 'x', { qos: 1, timeout: HANG_LIMIT });
    }

    it('when all goes well', async () => {
      await publish();
      proxy.cut();
      await once(connection, 'subscribed');
      await comeBack();
      assert.equal(broker.count(), 1);
    });

    it('when the acknowledgement is lost', async () => {
      proxy.mute();
      const lost = assert.rejects(publish(), { code: 'CONNECTION_LOST' });
      await broker.got();
      proxy.cut();
      await lost;
      await comeBack();
      assert.equal(broker.count(), 1);
    });

    it('when the connection is cut in the middle of it', async () => {
      proxy.cutAfter(100_000);
      await assert.rejects(publish(), { code: 'CONNECTION_LOST' });
      await comeBack();
      assert.equal(broker.count(), 0);
    });

    it('when the connection is cut several times', async () => {
      proxy.mute();
      const lost = assert.rejects(publish(), { code: 'CONNECTION_LOST' });
      await broker.got();
      for (let i = 0; i < 3; i++) {
        proxy.cut();
        await once(connection, 'subscribed');
      }
      await lost;
      await comeBack();
      assert.equal(broker.count(), 1);
    });

    it('when it is given up and the connection is cut after that', async () => {
      proxy.mute();
      await assert.rejects(publish(2000), { code: 'PUBLISH_TIMEOUT' });
      await broker.got();
      proxy.cut();
      await once(connection, 'subscribed');
      await comeBack();
      assert.equal(broker.count(), 1);
    });

    if (!isMosquitto) return;

    it('when the broker dies before it has read it', async () => {
      const { mosquitto } = broker;
      assert.ok(mosquitto);
      mosquitto.freeze();
      const lost = assert.rejects(publish(), { code: 'CONNECTION_LOST' });
      await mosquitto.kill();
      await mosquitto.restart();
      await lost;
      await comeBack();
      assert.equal(broker.count(), 0);
    });

    it('when the broker dies before it has acknowledged it', async () => {
      const { mosquitto } = broker;
      assert.ok(mosquitto);
      proxy.mute();
      const lost = assert.rejects(publish(), { code: 'CONNECTION_LOST' });
      await broker.got();
      await mosquitto.kill();
      await mosquitto.restart();
      await lost;
      await comeBack();
      assert.equal(broker.count(), 1);
    });
  });
}
