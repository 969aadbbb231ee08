import { startAedes } from './aedes';
import { describeIf } from './describe-if';
import { resetLocks } from './locks';
import { mosquittoAvailable, startMosquitto } from './mosquitto';

/** A mosquitto or an aedes. */
export interface TestBroker {
  readonly url: string;
  readonly port: number;
  stop(): Promise<void>;
}

/** A suite, which calls `start` for its own broker. */
export type BrokerSuite = (start: () => Promise<TestBroker>) => void;

/**
 * Runs a suite on mosquitto and on aedes. Resets the locks in between: the devices of both have the same ids, and the
 * first may leave some locked.
 */
export function describeWithBrokers(title: string, suite: BrokerSuite): void {
  describeWithMosquitto(title, suite);
  describeWithAedes(title, (start) => {
    before(() => resetLocks());
    suite(start);
  });
}

/** Runs a suite on mosquitto. A long suite has a file for each broker, because files run in parallel. */
export function describeWithMosquitto(title: string, suite: BrokerSuite): void {
  describeIf(mosquittoAvailable())(`${title} (mosquitto)`, () => {
    suite(() => startMosquitto());
  });
}

/** Runs a suite on aedes; see `describeWithMosquitto`. */
export function describeWithAedes(title: string, suite: BrokerSuite): void {
  describe(`${title} (aedes)`, () => {
    suite(async () => {
      const broker = await startAedes();
      return { url: broker.url, port: broker.port, stop: () => broker.close() };
    });
  });
}
