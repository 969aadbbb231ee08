import { startAedes } from './aedes';
import { mosquittoAvailable, startMosquitto } from './mosquitto';

/** A broker of either kind. */
export interface TestBroker {
  readonly url: string;
  readonly port: number;
  stop(): Promise<void>;
}

/** Runs a suite on mosquitto and on aedes. */
export function describeWithBrokers(title: string, suite: (start: () => Promise<TestBroker>) => void): void {
  describe(`${title} (mosquitto)`, () => {
    before(function () {
      if (!mosquittoAvailable()) this.skip();
    });
    suite(() => startMosquitto());
  });
  describe(`${title} (aedes)`, () => {
    suite(async () => {
      const broker = await startAedes();
      return { url: broker.url, port: broker.port, stop: () => broker.close() };
    });
  });
}
