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
import { offeredBy, type OfferedDevice } from './device-endpoint';
import { environmentOf } from '../shared/environment';
import type { Request } from '../shared/request';
import { UNCHANGED } from '../shared/secrets';
import { tryHandlers } from '../shared/try-route';
import { typedFields } from '../shared/typed-fields';

/** What a connection with the settings of a dialog found, or why there is none. */
type TestAnswer =
  | {
      readonly connected: true;
      /** The base topic as it was typed. */
      readonly baseTopic: string;
      /** Number of devices under the base topic, and how many of them are ready. */
      readonly devices: number;
      readonly ready: number;
      /** The first devices, which the dialogs offer until the broker is deployed. */
      readonly list: readonly OfferedDevice[];
      /** Other base topics that have devices: if there are devices here, only that of convention 5. */
      readonly elsewhere: readonly string[];
      /** Whether the search for other base topics was complete. */
      readonly searched: boolean;
      /** Whether the broker was still sending retained messages, so that there may be more devices. */
      readonly receiving: boolean;
      /** Topics below the base topic that the broker did not let this user subscribe to. */
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

/** Maximum time that the user waits in the dialog, in ms. */
const PATIENCE = 10_000;

/** Maximum number of devices in an answer. */
const MOST_LISTED = 200;

/** Maximum number of devices of the deployed node to subscribe to by name. */
const MOST_NAMED = 200;

interface Warnings {
  /** Whether the password was, or would have been, sent to another machine without TLS. */
  readonly plainPassword: boolean;
}

/** A test connects to any host and port. Without a limit, it could be used to scan quickly for open ports. */
const LIMITS = { atOnce: 3, begun: 20, within: 60_000 } as const;

const refusals = {
  running: ['Three connection tests are already running.', 'Wait until one of them has finished.'],
  begun: ['20 connection tests were started within a minute.', 'Wait a minute, then test again.'],
} as const;

/** Registers the route with which the editor tests the settings in a `homie-broker` dialog. */
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

/** Returns the devices that the deployed node knows: a broker may show them only when they are named. */
function knownIds(RED: NodeAPI, { id }: Request): string[] {
  const link = linkTo(RED, id);
  return 'broker' in link ? [...link.broker.registry.devices.keys()].slice(0, MOST_NAMED) : [];
}

/**
 * Connects with the settings, and returns what the broker shows.
 *
 * @param known ids of devices that may be there
 */
async function test({ clientId, ...settings }: BrokerOptions, known: readonly string[]): Promise<TestAnswer> {
  // With the same client id, the broker would disconnect the deployed node.
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
    const { found, isComplete } = receiving
      ? { found: [], isComplete: false }
      : await findBaseTopics(broker.connection, registry.devices.size > 0 ? broker.baseTopic : undefined);
    // The search may have found devices under the base topic itself that had sent nothing else.
    const devices = [...registry.devices.values()];
    return {
      connected: true,
      baseTopic: broker.shownBaseTopic,
      devices: devices.length,
      ready: devices.filter(({ state }) => state?.value === 'ready').length,
      list: offeredBy(broker).slice(0, MOST_LISTED),
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
    environment: environmentOf(RED, deployed),
    getNode: (other) => RED.nodes.getNode(other),
    getTyped: (other) => typedFields(RED, other),
  });
  // An mqtt-broker node has its own password and address.
  const isStored = isKept && fields['connection'] !== 'mqtt-broker' && settings.password !== undefined;
  if (isStored) refuseOtherSettings(settings, deployed);
  return settings;
}

/**
 * Refuses settings that differ from those of the deployed node. A password that the editor does not know goes only
 * where the deployed node sends it: with another address, or a TLS configuration that trusts more, someone else could
 * get it.
 */
function refuseOtherSettings(settings: BrokerOptions, deployed: BrokerNode | undefined): void {
  if (deployed?.settings !== undefined && isDeepStrictEqual(connectionOf(settings), connectionOf(deployed.settings)))
    return;
  throw new HomieError('BROKER_SETTINGS.storedPassword');
}

/** Returns all settings except how the broker and the devices are named. */
function connectionOf(settings: BrokerOptions): ConnectionOptions {
  const { baseTopic: _base, shownBaseTopic: _shownBase, shownUrl: _shown, ...connection } = settings;
  return connection;
}
