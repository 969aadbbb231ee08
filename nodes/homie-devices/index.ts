import type { Node, NodeAPI, NodeDef, NodeMessage, NodeStatus } from 'node-red';
import { HomieError } from '../../src/errors';
import type { HomieBroker } from '../../src/homie/broker';
import { Inventory, takeStock } from '../../src/devices/inventory';
import { everyDevice, queryNames, readQuery } from '../../src/devices/query';
import { Queue } from '../../src/rollout/queue';
import { words } from '../../src/texts/en-US.json';
import { linkTo, type BrokerLink } from '../shared/broker-node';
import { bugReport } from '../shared/bug-report';
import { DeviceActions } from './device-actions';
import { environmentOf, expandFields } from '../shared/environment';
import { ownSettings } from '../shared/job-node';
import { useStore, type StoreUse } from '../shared/job-files';
import { connectionStatus, errorStatus } from '../shared/job-status';
import { migratedOf, oldMessageWarning } from '../shared/migrated';
import { answerMessage, onClose } from '../shared/node-events';
import { deviceOf, keptProperties } from '../shared/replies';
import { ThrottledStatus } from '../shared/throttled-status';

interface DevicesDefinition extends NodeDef {
  broker: string;
  events: boolean;
}

export = (RED: NodeAPI): void => {
  function HomieDevicesNode(this: Node, given: DevicesDefinition): void {
    RED.nodes.createNode(this, given);
    const { definition, newer } = migratedOf(this, given);
    const link = linkTo(RED, definition.broker);
    const query =
      newer ??
      ownSettings(this, () => readQuery(everyDevice, expandFields(definition, queryNames, environmentOf(RED, this))));
    // The library of firmware is read from there.
    const use = useStore(RED);
    const report = (broker: HomieBroker, devices: readonly string[]): string => bugReport(RED, broker, { devices });
    const actions = new DeviceActions({ link, query, store: use?.store, report });

    /** The last error, shown until a message succeeds or the connection changes. */
    let failed = query instanceof HomieError ? query : undefined;
    const status = new ThrottledStatus(this, () =>
      failed === undefined ? stockStatus(link) : errorStatus(failed.code),
    );
    const unfollow = follow(link, (connection) => {
      if (connection && !(query instanceof HomieError)) failed = undefined;
      status.refresh();
    });
    status.refresh();
    const silence = definition.events && 'broker' in link ? tellEvents(RED, this, { ...link, use }) : () => undefined;

    const warnOfOld = oldMessageWarning(this, given);
    this.on('input', (msg, send, done) => {
      warnOfOld(msg);
      const kept: NodeMessage = RED.util.cloneMessage(keptProperties(msg));
      const answer = async (): Promise<HomieError | undefined> => {
        failed = await actions.handle({ ...msg }, (payload) => send({ ...kept, payload, ...limitOf(link) }));
        status.refresh();
        return failed;
      };
      void answerMessage(this, answer, done);
    });
    onClose(this, async () => {
      unfollow();
      silence();
      await actions.close();
      await use?.leave();
      status.close();
    });
  }

  RED.nodes.registerType('homie-devices', HomieDevicesNode);
};

/** Returns the device limit if it is reached, so that an answer may lack devices. */
function limitOf(link: BrokerLink): { deviceLimit?: number } {
  return 'broker' in link && link.broker.registry.isFull ? { deviceLimit: link.broker.registry.limit } : {};
}

/** Returns how many of all devices are ready. */
function stockStatus(link: BrokerLink): NodeStatus {
  if ('error' in link || !link.broker.isSettled || link.broker.refusal() !== undefined) return connectionStatus(link);
  if (link.broker.registry.isFull) return { fill: 'yellow', shape: 'dot', text: words.full };
  const { count, counts } = takeStock(link.broker);
  return { fill: 'green', shape: count > 0 ? 'dot' : 'ring', text: `${counts.ready ?? 0}/${count}` };
}

/**
 * Calls `changed` whenever the status may have changed.
 *
 * @returns a function that ends this
 */
function follow(link: BrokerLink, changed: (connection: boolean) => void): () => void {
  if ('error' in link) return () => undefined;
  const { broker } = link;
  const connection = (): void => changed(true);
  const stock = (): void => changed(false);
  const heard = (_id: string, { attribute }: { readonly attribute: string }): void => {
    if (attribute === 'state') stock();
  };
  broker.on('status', connection);
  broker.on('settled', stock);
  broker.registry.on('event', heard);
  broker.registry.on('gone', stock);
  return () => {
    broker.off('status', connection);
    broker.off('settled', stock);
    broker.registry.off('event', heard);
    broker.registry.off('gone', stock);
  };
}

/** What the events of a node come from. */
interface EventSource {
  readonly broker: HomieBroker;
  readonly use: StoreUse | undefined;
}

/**
 * Sends events to the second output, once the whole flow has started and can receive them, and the library of firmware
 * was read: the updates in it are no events.
 *
 * @returns a function that ends this
 */
function tellEvents(RED: NodeAPI, node: Node, { broker, use }: EventSource): () => void {
  const inventory = new Inventory(broker, Queue.of(broker).updates);
  inventory.on('event', (event) => {
    node.send([null, { topic: '', ...deviceOf(event), payload: structuredClone(event) }]);
  });
  let isClosed = false;
  const begin = async (): Promise<void> => {
    // While another process uses the folder, there is nothing to wait for.
    await use?.store.open().catch(() => false);
    if (!isClosed) inventory.start();
  };
  // An unhandled rejection would end the Node-RED process.
  const begun = (): void => void begin().catch((error: unknown) => node.error(error));
  RED.events.once('flows:started', begun);
  return () => {
    isClosed = true;
    RED.events.off('flows:started', begun);
    inventory.close();
  };
}
