import type { NodeAPI, NodeDef } from 'node-red';
import { HomieError } from '../../src/errors';
import { HomieBroker, type BrokerOptions } from '../../src/homie/broker';
import type { ConnectionStatus, Lack } from '../../src/mqtt/connection';
import { sendsPlainPassword, shownUrl } from '../../src/mqtt/options';
import { plainText } from '../../src/plain-text';
import type { BrokerCredentials, BrokerNode } from '../shared/broker-node';
import { readBrokerSettings } from './broker-settings';
import { offerTest } from './broker-test';
import { offerDevices } from './device-endpoint';
import { environmentOf } from '../shared/environment';
import { useStore } from '../shared/job-files';
import { migrated } from '../shared/migrated';
import { onClose } from '../shared/node-events';
import { SidebarJobs } from '../shared/sidebar-jobs';
import { typedFields } from '../shared/typed-fields';
import { readUpdateSettings } from '../shared/update-settings';

export = (RED: NodeAPI): void => {
  function HomieBrokerNode(this: BrokerNode, given: NodeDef): void {
    RED.nodes.createNode(this, given);
    let definition: NodeDef;
    let broker: HomieBroker;
    let settings: BrokerOptions;
    try {
      definition = migrated(this.type, given);
      settings = readBrokerSettings({
        fields: { ...definition },
        typed: typedFields(RED, definition),
        credentials: this.credentials ?? {},
        environment: environmentOf(RED, this),
        getNode: (id) => RED.nodes.getNode(id),
        getTyped: (node) => typedFields(RED, node),
      });
      broker = new HomieBroker(settings);
      this.settings = settings;
    } catch (error) {
      // Any other error could contain the value of a setting.
      this.link = { error: error instanceof HomieError ? error : new HomieError('BROKER_SETTINGS') };
      this.error(`${this.link.error.message} ${this.link.error.hint}`);
      return;
    }

    // Every node that uses the broker adds listeners.
    broker.setMaxListeners(0);
    this.link = { broker };
    const endLog = logConnection(this, broker, settings);
    // Keeps other processes with this user directory from sending anything meanwhile.
    const use = useStore(RED);
    void use?.store.open();
    broker.start();
    const sidebar = new SidebarJobs({
      broker,
      node: this.id,
      settings: readUpdateSettings(RED, this, { definition }),
      store: use?.store,
      warn: (text) => this.warn(text),
    });
    this.sidebar = sidebar;
    sidebar.start();
    onClose(this, async (removed) => {
      endLog();
      await sidebar.close(removed);
      await broker.close();
      await use?.leave();
    });
  }

  offerDevices(RED);
  offerTest(RED);
  RED.nodes.registerType<BrokerNode, NodeDef, object, BrokerCredentials>('homie-broker', HomieBrokerNode, {
    credentials: { user: { type: 'text' }, password: { type: 'password' } },
  });
};

/**
 * Logs what a user should know about the connection.
 *
 * @returns a function that ends the log of the connection
 */
function logConnection(node: BrokerNode, broker: HomieBroker, settings: BrokerOptions): () => void {
  if (sendsPlainPassword(settings)) {
    const named = settings.shownUrl ?? shownUrl(settings.url);
    node.warn(`the password is sent to ${named} without encryption. Switch TLS on if the broker supports it.`);
  }
  const log = changeLog(node);
  broker.on('status', log);
  broker.registry.once('full', () => {
    node.warn(
      `The limit of ${broker.registry.limit} devices under ${broker.shownBaseTopic} is reached, so some devices may be missing. Devices that publish neither $fw/checksum nor a full advertisement are dropped first. Check who may publish below ${broker.shownBaseTopic}.`,
    );
  });
  broker.connection.on('skipped', skipLog(node, broker));
  return () => broker.off('status', log);
}

/**
 * Returns a listener that logs when the connection is made or lost. The connection is retried indefinitely; a repeated
 * reason is logged once.
 */
function changeLog(node: BrokerNode): (status: ConnectionStatus) => void {
  let last = '';
  const told = new Set<Lack>();
  return (status) => {
    for (const lack of (status.state === 'connected' && status.lacks) || []) {
      if (!told.has(lack)) node.warn(lacks[lack]);
      told.add(lack);
    }
    const text = describe(status);
    if (text === undefined || text === last) return;
    last = text;
    if (status.state === 'connected' && status.refusal === undefined) node.log(text);
    else node.warn(text);
  };
}

/** Maximum number of topics to log whose messages are too large. */
const MOST_SKIPPED = 20;

/** Returns a listener that logs which messages were skipped, each topic once. */
function skipLog(node: BrokerNode, broker: HomieBroker): (topic: string, size: number) => void {
  const told = new Set<string>();
  return (topic, size) => {
    if (told.has(topic) || told.size >= MOST_SKIPPED) return;
    told.add(topic);
    const megabytes = Math.ceil(size / 1024 / 1024);
    node.warn(
      `skipped a message of ${megabytes} MiB at ${plainText(broker.shown(topic))}: the limit is 32 MiB. If the message is retained, clear it on the broker.`,
    );
  };
}

const lacks: Readonly<Record<Lack, string>> = {
  retained: 'the broker does not keep retained messages: a device is visible only while it sends',
  wildcards: 'the broker does not support wildcard subscriptions: devices cannot be found',
  qos1: 'the broker does not accept messages with QoS 1: firmware and configuration changes cannot be sent',
  retainedByWildcard:
    'the broker delivers retained messages for exact topics only (as RabbitMQ does): a device is visible only when it is named or sends something',
};

function describe(status: ConnectionStatus): string | undefined {
  switch (status.state) {
    case 'connecting':
      return undefined;
    case 'connected':
      if (status.refusal !== undefined) return `${status.refusal.message} ${status.refusal.hint}`;
      if (status.receiving) return undefined;
      return `connected (MQTT ${status.protocolVersion === 5 ? '5' : '3.1.1'})`;
    case 'disconnected':
      return `not connected: ${status.error.message} ${status.error.hint}`;
  }
}
