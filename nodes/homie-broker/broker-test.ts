import { randomBytes } from 'node:crypto';
import { isDeepStrictEqual } from 'node:util';
import type { NodeAPI } from 'node-red';
import { withDeadline } from '../../src/deadline';
import { asHomieError, HomieError, saysOf } from '../../src/errors';
import { HomieBroker, type BrokerOptions } from '../../src/homie/broker';
import { findBaseTopics } from '../../src/homie/find-base-topics';
import { settle } from '../../src/homie/presence';
import type { ConnectionOptions, Lack } from '../../src/mqtt/connection';
import { sendsPlainPassword } from '../../src/mqtt/options';
import type { Value } from '../../src/texts/text';
import { findBrokerNode, linkTo, type BrokerNode } from '../shared/broker-node';
import { readBrokerSettings } from './broker-settings';
import type { Request } from '../shared/request';
import { tryHandlers } from '../shared/try-route';
import { typedFields } from '../shared/typed-fields';

/** What a connection with certain settings found, or why there is none. */
type TestAnswer =
  | {
      readonly connected: true;
      /** As it was typed. */
      readonly baseTopic: string;
      /** Under the base topic, and how many of them are ready. */
      readonly devices: number;
      readonly ready: number;
      /** Where there are none: other base topics that have some. */
      readonly elsewhere: readonly string[];
      /** Whether that was looked for everywhere. */
      readonly searched: boolean;
      /** The broker was still sending what it has retained, so that there may be more devices. */
      readonly receiving: boolean;
      /** The topics below the base topic that the broker refused to let this user subscribe to. */
      readonly refused: readonly string[];
      readonly lacks: readonly Lack[];
    }
  | {
      readonly connected: false;
      /** In English. */
      readonly message: string;
      readonly hint: string;
      /** For the language of the editor. */
      readonly says: readonly Value[];
    };

/** How long somebody in front of the dialog waits, in ms. */
const PATIENCE = 10_000;

/** So many of the devices that the deployed node knows are named at most. */
const MOST_NAMED = 200;

interface Warnings {
  /** The password was sent to another machine without TLS, or would have been. */
  readonly plainPassword: boolean;
}

/** What the editor sends for a password that it does not know. */
const UNCHANGED = '__PWRD__';

/** A test connects to any host and port: without a limit it would be a quick way to scan for open ones. */
const LIMITS = { atOnce: 3, begun: 20, within: 60_000 } as const;

const refusals = {
  running: ['Three connection tests are already running.', 'Wait until one of them has finished.'],
  begun: ['20 connection tests were started within a minute.', 'Wait a minute, then test again.'],
} as const;

/** Lets the editor try the settings that stand in the dialog of a `homie-broker`. */
export function offerTest(RED: NodeAPI): void {
  const answer = (fields: Request): Promise<TestAnswer & Warnings> => answerTo(RED, fields);
  RED.httpAdmin.post('/homie-ota/test', ...tryHandlers(RED, { limits: LIMITS, refusals, answer }));
}

/** Does not reject. */
async function answerTo(RED: NodeAPI, fields: Request): Promise<TestAnswer & Warnings> {
  let plainPassword = false;
  try {
    const settings = readSettings(RED, fields);
    plainPassword = sendsPlainPassword(settings);
    return { ...(await test(settings, knownIds(RED, fields))), plainPassword };
  } catch (error) {
    const known = asHomieError(error);
    const { message, hint } = known;
    return { connected: false, message, hint, says: saysOf(known), plainPassword };
  }
}

/** The devices that the deployed node knows: a broker may show them only when they are named. */
function knownIds(RED: NodeAPI, { id }: Request): string[] {
  const link = linkTo(RED, id);
  return 'broker' in link ? [...link.broker.registry.devices.keys()].slice(0, MOST_NAMED) : [];
}

/** @param known ids of devices that may be there */
async function test({ clientId, ...settings }: BrokerOptions, known: readonly string[]): Promise<TestAnswer> {
  // With the same id, the broker would throw the deployed node off.
  const another = clientId !== undefined && { clientId: `${clientId}-${randomBytes(3).toString('hex')}` };
  const broker = new HomieBroker({ ...settings, ...another });
  try {
    broker.start();
    await settle(broker, undefined, PATIENCE);
    if (broker.status.state === 'disconnected') throw broker.status.error;
    const receiving = broker.isReceiving;
    if (!receiving && !broker.isSettled) throw new HomieError('NOT_CONNECTED');
    await withDeadline(PATIENCE, undefined, (patience) => broker.seek(known, patience)).catch(() => undefined);
    const { registry } = broker;
    const { found, isComplete } =
      registry.devices.size > 0 || receiving
        ? { found: [], isComplete: false }
        : await findBaseTopics(broker.connection);
    // The search may have found devices under the base topic itself, of which nothing else had come.
    const devices = [...registry.devices.values()];
    return {
      connected: true,
      baseTopic: broker.shownBaseTopic,
      devices: devices.length,
      ready: devices.filter(({ state }) => state?.value === 'ready').length,
      elsewhere: found.filter((base) => base !== broker.baseTopic),
      searched: isComplete,
      receiving,
      refused: broker.refused,
      lacks: (broker.status.state === 'connected' && broker.status.lacks) || [],
    };
  } finally {
    await broker.close();
  }
}

/** @throws {HomieError} BROKER_SETTINGS, INVALID_BASE_TOPIC */
function readSettings(RED: NodeAPI, fields: Request): BrokerOptions {
  const { id, user, password } = fields;
  const deployed = findBrokerNode(RED, id);
  const isKept = password === UNCHANGED;
  const settings = readBrokerSettings({
    fields,
    typed: fields,
    credentials: { user, password: isKept ? deployed?.credentials?.password : password },
    environment: (name) => (deployed === undefined ? process.env[name] : RED.util.getSetting(deployed, name)),
    getNode: (other) => RED.nodes.getNode(other),
    getTyped: (other) => typedFields(RED, other),
  });
  // An mqtt-broker node has a password of its own, and an address with it.
  const isStored = isKept && fields['connection'] !== 'mqtt-broker' && settings.password !== undefined;
  if (isStored) refuseOtherSettings(settings, deployed);
  return settings;
}

/**
 * A password that the editor does not know goes only where the deployed node sends it: with another address, or with a TLS
 * configuration that trusts more, somebody else would get it.
 */
function refuseOtherSettings(settings: BrokerOptions, deployed: BrokerNode | undefined): void {
  if (deployed?.settings !== undefined && isDeepStrictEqual(connectionOf(settings), connectionOf(deployed.settings)))
    return;
  throw new HomieError('BROKER_SETTINGS.storedPassword');
}

/** All but how the broker and the devices are named. */
function connectionOf(settings: BrokerOptions): ConnectionOptions {
  const { baseTopic: _base, shownBaseTopic: _shownBase, shownUrl: _shown, ...connection } = settings;
  return connection;
}
