/** Run as a process of its own, which must end by itself: connects to the URLs, and closes once all have got so far. */
import { HomieBroker } from '../../src/homie/broker';
import { HANG_LIMIT } from '../support/limits';
import { untilTrue } from '../support/until-true';

async function run([state, ...urls]: string[]): Promise<void> {
  const brokers = urls.map((url) => new HomieBroker({ url, protocolVersion: 'auto', baseTopic: 'homie/' }));
  for (const broker of brokers) {
    broker.start();
    if (state !== 'connecting') await reached(broker, state);
    if (state === 'connected') {
      await broker.settled();
      await broker.connection.publish('homie/lamp/x', Buffer.alloc(300_000), { qos: 1, timeout: HANG_LIMIT });
    }
  }
  await Promise.all(brokers.map((broker) => broker.close()));
  process.send?.('closed');
  process.disconnect?.();
}

async function reached(broker: HomieBroker, state: string | undefined): Promise<void> {
  await untilTrue(broker, 'status', () => broker.status.state === state);
}

void run(process.argv.slice(2));
