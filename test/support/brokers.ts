import { startAedes } from './aedes';
import { mosquittoAvailable, startMosquitto } from './mosquitto';

/** A broker of either kind. */
export interface TestBroker {
  readonly url: string;
  readonly port: number;
  stop(): Promise<void>;
}

/** A suite with a broker of its own. */
export type BrokerSuite = (start: () => Promise<TestBroker>) => void;

/** Runs a suite on mosquitto and on aedes. */
export function describeWithBrokers(title: string, suite: BrokerSuite): void {
  describeWithMosquitto(title, suite);
  describeWithAedes(title, suite);
}

/** Runs a suite on mosquitto. A long one has a file for each broker, since the files run side by side. */
export function describeWithMosquitto(title: string, suite: BrokerSuite): void {
  describe(`${title} (mosquitto)`, () => {
    before(function () {
      if (!mosquittoAvailable()) this.skip();
    });
    suite(() => startMosquitto());
  });
}

/** See `describeWithMosquitto`. */
export function describeWithAedes(title: string, suite: BrokerSuite): void {
  describe(`${title} (aedes)`, () => {
    suite(async () => {
      const broker = await startAedes();
      return { url: broker.url, port: broker.port, stop: () => broker.close() };
    });
  });
}
