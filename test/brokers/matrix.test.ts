import assert from 'node:assert/strict';
import { connectAsync } from 'mqtt';
import { md5 } from '../../src/firmware/checksum';
import { Firmware } from '../../src/firmware/firmware';
import { HomieBroker } from '../../src/homie/broker';
import { BLIND_LIMIT } from '../../src/homie/observed-time';
import type { Change } from '../../src/update/update';
import type { ConnectionOptions } from '../../src/mqtt/connection';
import { selectKnown } from '../../src/homie/select';
import { OtaJob } from '../../src/rollout/ota-job';
import { bring } from '../config/lab';
import { blocksOf } from '../docs/markdown';
import { codeOf, Lab, next, patient, running, sequential } from '../ota/lab';
import { SimulatedDevice, type DeviceOptions } from '../simulator/device';
import type { Settings } from '../simulator/validation';
import { startRestartableAedes } from '../support/aedes';
import { describeIf } from '../support/describe-if';
import { buildEsp8266Image } from '../support/images';
import { ejabberdAvailable, startEjabberd } from '../support/ejabberd';
import { BROKER_HANG_LIMIT } from '../support/limits';
import { mosquittoAvailable, startMosquitto } from '../support/mosquitto';
import { freePort } from '../support/ports';
import { natsAvailable, startNats } from '../support/nats';
import { rabbitMqAvailable, startRabbitMq } from '../support/rabbitmq';
import { untilTrue } from '../support/until-true';

/** A broker of the matrix. */
interface Broker {
  /** For the devices. */
  readonly url: string;
  /** How we connect, where that differs. */
  readonly ours?: Partial<ConnectionOptions>;
  /** What a device logs in with. */
  readonly login?: { readonly username: string; readonly password: string };
  /** Kills it. */
  kill(): Promise<void>;
  /** Starts it again on the same port. */
  restart(): Promise<void>;
  stop(): Promise<void>;
}

/** How a broker is started, and what it speaks with us. */
interface Kind {
  readonly available: () => boolean;
  readonly start: () => Promise<Broker>;
  readonly version: 4 | 5;
  /** It shows a device only when that is named. */
  readonly needsExactTopics?: true;
}

async function websocket(): Promise<Broker> {
  const port = await freePort();
  const listener = documented('mosquitto', /websockets/, { 'listener 9001': `listener ${port} 127.0.0.1` });
  const broker = await startMosquitto({ config: listener.split('\n') });
  return Object.assign(broker, { ours: { url: `ws://127.0.0.1:${port}` } });
}

async function mosquitto311(): Promise<Broker> {
  return Object.assign(await startMosquitto(), { ours: { protocolVersion: 4 as const } });
}

/** The users of docs/brokers.md: Node-RED and a device. */
const nodeRed = { username: 'node-red', password: 'correct horse' };
const login = { username: 'kitchen-light', password: 'battery staple' };

/** Returns a block of docs/brokers.md, with the ports and folders of the test. */
function documented(about: string, part: RegExp, values: Readonly<Record<string, string>>): string {
  const blocks = blocksOf('docs/brokers.md');
  const block = blocks.find((candidate) => candidate.about === about && part.test(candidate.text));
  assert.ok(block !== undefined, about);
  return Object.entries(values).reduce((text, [from, to]) => {
    assert.ok(text.includes(from), from);
    return text.replace(from, to);
  }, block.text);
}

async function nats(): Promise<Broker> {
  const broker = await startNats(({ folder, port, clients }) =>
    documented('nats', /mqtt/, {
      '127.0.0.1:4222': `127.0.0.1:${clients}`,
      'port: 1883': `listen: "127.0.0.1:${port}"`,
      '/var/lib/nats': folder,
    }),
  );
  return Object.assign(broker, { login, ours: nodeRed });
}

async function ejabberd(): Promise<Broker> {
  const users = { [nodeRed.username]: nodeRed.password, [login.username]: login.password };
  const configure = (port: number): string =>
    documented('ejabberd', /mod_mqtt/, { 'port: 1883': `port: ${port}`, '::': '127.0.0.1' });
  return Object.assign(await startEjabberd(configure, users), { login, ours: nodeRed });
}

async function rabbitMq(): Promise<Broker> {
  const configure = (port: number): string =>
    [
      documented('rabbitmq', /mqtt/, { 'tcp.default = 1883': `tcp.default = 127.0.0.1:${port}` }),
      'listeners.tcp = none',
      `default_user = ${nodeRed.username}`,
      `default_pass = ${nodeRed.password}`,
    ].join('\n');
  return Object.assign(await startRabbitMq(configure), { login: nodeRed, ours: nodeRed });
}

const kinds: Record<string, Kind> = {
  'mosquitto over MQTT 5': { available: mosquittoAvailable, start: () => startMosquitto(), version: 5 },
  'mosquitto over MQTT 3.1.1': { available: mosquittoAvailable, start: mosquitto311, version: 4 },
  'mosquitto over WebSocket': { available: mosquittoAvailable, start: websocket, version: 5 },
  aedes: { available: () => true, start: startRestartableAedes, version: 4 },
  NATS: { available: natsAvailable, start: nats, version: 4 },
  ejabberd: { available: ejabberdAvailable, start: ejabberd, version: 5 },
  RabbitMQ: { available: rabbitMqAvailable, start: rabbitMq, version: 4, needsExactTopics: true },
};

/** Locks are one for the process: no id is used twice. */
let count = 0;
const deviceIds = (length: number): string[] => Array.from({ length }, () => `matrix-${(count += 1)}`);

/** In ms. ejabberd publishes the will of a connection some ms after its end: a device takes longer than that to boot. */
const bootDelay = 200;

/** Large enough for the device to report how far it is. */
const usual = buildEsp8266Image({ name: 'my-light', version: '1.3.0', size: 400_000, seed: 4 });
/** Larger than a message of 1 MB, which is where some brokers have their limit. */
const large = buildEsp8266Image({ name: 'my-light', version: '1.2.0', size: 1_200_000, seed: 3 });

/** Numbers that lose digits each time the device rewrites its file. */
const sketch: Settings = {
  percentage: { type: 'long' },
  limit: { type: 'double' },
  offset: { type: 'double' },
};

const phases = ['sending', 'accepted', 'flashing', 'rebooting', 'verifying'] as const;

for (const [name, { available, start, version, needsExactTopics = false }] of Object.entries(kinds)) {
  describeIf(available())(`on ${name}`, function () {
    this.timeout(BROKER_HANG_LIMIT);
    let broker: Broker;

    before(async () => {
      broker = await start();
    });
    after(() => broker?.stop());

    const connect = (): HomieBroker => {
      const ours = new HomieBroker({ url: broker.url, protocolVersion: 'auto', baseTopic: 'homie/', ...broker.ours });
      ours.start();
      return ours;
    };
    const withLab = async (options: Partial<DeviceOptions>, work: (lab: Lab) => Promise<void>): Promise<void> => {
      const [id = ''] = deviceIds(1);
      const lab = await Lab.open(broker.url, { id, bootDelay, ...broker.login, ...options }, broker.ours);
      try {
        await work(lab);
      } finally {
        await lab.close();
      }
    };

    it('finds devices by what is retained of them', async () => {
      const devices = deviceIds(3).map(
        (id) => new SimulatedDevice({ url: broker.url, id, image: running, ...broker.login }),
      );
      await Promise.all(devices.map((device) => device.start()));
      const ours = connect();
      try {
        await selectKnown(ours, { devices: devices.map(({ id }) => id) }, undefined);
        assert.ok(ours.status.state === 'connected');
        assert.equal(ours.needsExactTopics, needsExactTopics);
        assert.equal(ours.status.protocolVersion, version);
        const checksum = await md5(running);
        assert.deepEqual(
          devices.map(({ id }) => {
            const known = ours.registry.get(id);
            return [known?.state, known?.fwName, known?.checksum].map((fact) => [fact?.value, fact?.live]);
          }),
          devices.map(() => ['ready', 'my-light', checksum].map((value) => [value, false])),
        );
      } finally {
        await Promise.all(devices.map((device) => device.stop()));
        await ours.close();
      }
    });

    const findsMany = async (): Promise<void> => {
      const ids = deviceIds(1_100);
      const client = await connectAsync(broker.url, { ...broker.login, protocolVersion: 4, reconnectPeriod: 0 });
      await Promise.all(ids.map((id) => client.publishAsync(`homie/${id}/$state`, 'lost', { qos: 1, retain: true })));
      const ours = connect();
      try {
        await ours.settled();
        assert.deepEqual(
          ids.filter((id) => ours.registry.get(id)?.state?.value !== 'lost'),
          [],
        );
      } finally {
        await ours.close();
        await Promise.all(ids.map((id) => client.publishAsync(`homie/${id}/$state`, '', { qos: 1, retain: true })));
        await client.endAsync();
      }
    };
    if (!needsExactTopics) it('finds more than 1,000 devices', findsMany);

    it('updates a device and proves that it runs the image', () =>
      withLab({}, async (lab) => {
        const { outcome, changes } = await lab.bring(await Firmware.from(large));
        assert.deepEqual(outcome, { state: 'succeeded', reboot: 'proven' });
        assert.equal(lab.device.image.equals(large), true);
        assert.deepEqual(
          phases.filter((phase) => changes.some((change) => change.phase === phase)),
          phases,
        );
      }));

    it('updates several devices, the canary first', async () => {
      const devices = deviceIds(4).map(
        (id) => new SimulatedDevice({ url: broker.url, id, image: running, uptime: 3600, bootDelay, ...broker.login }),
      );
      const ours = connect();
      try {
        await ours.settled();
        await Promise.all(devices.map((device) => device.start()));
        const uptimes = (): boolean => devices.every(({ id }) => ours.registry.get(id)?.uptime?.live === true);
        await untilTrue(ours.registry, 'event', () => uptimes());
        const ids = devices.map(({ id }) => id);
        const input = {
          broker: ours,
          firmware: await Firmware.from(next),
          choice: { devices: ids },
          settings: patient,
        };
        const job = new OtaJob(input, { ...sequential, canary: 1, soak: 100, concurrency: 2 });
        const ended: string[] = [];
        job.on('result', ({ device, state, reboot }) => ended.push(`${device} ${state} ${reboot}`));
        const { state } = await job.run();
        assert.equal(state, 'succeeded');
        assert.equal(ended[0], `${ids[0]} succeeded proven`);
        assert.deepEqual(new Set(ended), new Set(ids.map((id) => `${id} succeeded proven`)));
        assert.ok(devices.every(({ image }) => image.equals(next)));
      } finally {
        await Promise.all(devices.map((device) => device.stop()));
        await ours.close();
      }
    });

    it('changes the configuration of a device and proves that it was taken', () =>
      withLab({ statsInterval: 1, config: { settings: { limit: 8.68 } }, settings: sketch }, async (lab) => {
        const { outcome } = await bring(lab, { settings: { percentage: 7, offset: 8.68 } });
        assert.deepEqual([outcome.state, 'reboot' in outcome && outcome.reboot], ['succeeded', 'proven']);
        assert.match(lab.device.file, /"percentage":7/);
      }));

    it('updates a device although the broker is killed in the middle of the transfer and starts again', () =>
      withLab({ flashDelay: 10, backoff: 50 }, async (lab) => {
        let restarted: Promise<void> | undefined;
        const down = { from: 0, to: Number.POSITIVE_INFINITY };
        const onChange = ({ phase }: Change): void => {
          if (phase !== 'flashing' || restarted !== undefined) return;
          down.from = performance.now();
          restarted = broker.kill().then(() => broker.restart());
          lab.broker.connection.on('status', ({ state }) => {
            if (state === 'connected') down.to = Math.min(down.to, performance.now());
          });
        };
        const { outcome } = await lab.bring(await Firmware.from(usual), { attempts: 2, stall: 60_000 }, { onChange });
        await restarted;
        assert.notEqual(restarted, undefined, codeOf(outcome));
        // On a busy machine RabbitMQ takes longer to start than a broker is waited for.
        if (down.to - down.from > BLIND_LIMIT) {
          assert.equal(codeOf(outcome), 'CONNECTION_LOST');
          return;
        }
        assert.equal(codeOf(outcome), 'succeeded');
        assert.equal(lab.device.image.equals(usual), true);
        const images = lab.device.images;
        assert.deepEqual(
          images.map(({ bytes, total }) => bytes === total),
          [false, true],
        );
      }));
  });
}
