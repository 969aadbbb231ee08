import { blocksOf } from '../docs/markdown';
import { startAedes } from './aedes';
import type { TestBroker } from './brokers';
import { describeIf } from './describe-if';
import { mosquittoAvailable, startMosquitto } from './mosquitto';

/** User name of the homie-broker. The brokers do not check passwords. */
export const NODE_RED = 'node-red';

/**
 * Runs a suite on mosquitto with the ACL of docs/brokers.md, and on aedes with an equivalent one: a device, whose user
 * name is its id, may write only `homie/<id>/#`, and read only that and `homie/$broadcast/#`.
 */
export function describeWithOwnTrees(title: string, suite: (start: () => Promise<TestBroker>) => void): void {
  describeIf(mosquittoAvailable())(`${title} (mosquitto)`, () => {
    suite(() => {
      const acl = blocksOf('docs/brokers.md').find(({ about }) => about === 'acl')?.text ?? '';
      return startMosquitto({ acl: acl.split('\n') });
    });
  });
  describe(`${title} (aedes)`, () => {
    suite(startGuardedAedes);
  });
}

async function startGuardedAedes(): Promise<TestBroker> {
  const broker = await startAedes();
  const { aedes, url, port } = broker;
  const users = new WeakMap<object, string>();
  const isOwn = (client: object | null, topic: string): boolean => {
    const user = client === null ? NODE_RED : users.get(client);
    return user === NODE_RED || (user !== undefined && topic.startsWith(`homie/${user}/`));
  };
  aedes.authenticate = (client, username = '', _password, done) => {
    users.set(client, username);
    done(null, true);
  };
  aedes.authorizePublish = (client, { topic }, done) =>
    done(isOwn(client, topic) ? null : new Error('not its own topic'));
  aedes.authorizeSubscribe = (client, subscription, done) => {
    const { topic } = subscription;
    done(null, isOwn(client, topic) || topic.startsWith('homie/$broadcast/') ? subscription : null);
  };
  return { url, port, stop: () => broker.close() };
}
