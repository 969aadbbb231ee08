import type { NodeAPI } from 'node-red';
import { DeviceTable, type TableChanges } from '../../src/devices/table';
import { Queue } from '../../src/rollout/queue';
import { linkTo, stateOf, type BrokerLink, type LinkState } from '../shared/broker-node';

/** The answer about the devices of a `homie-broker`. */
export interface TableAnswer extends LinkState, TableChanges {
  /** The clock of Node-RED, in ms since 1970. That of a browser may differ. */
  readonly now: number;
}

/** How long a table is kept up to date after the last request for it, in ms. */
const WATCHED = 90_000;

interface Feed {
  readonly table: DeviceTable | undefined;
  readonly end: () => void;
  askedAt: number;
}

/**
 * The tables that are open in editors. RED.comms tells every editor that something has changed, but not what: only
 * users with the permission may read the table.
 */
export class Feeds {
  readonly #RED: NodeAPI;
  readonly #feeds = new Map<string, Feed>();
  #timer: NodeJS.Timeout | undefined;

  constructor(RED: NodeAPI) {
    this.#RED = RED;
    RED.events.on('flows:started', () => {
      for (const id of this.#feeds.keys()) this.#tell(id);
    });
  }

  /** @param cursor that of the last answer, if there was one */
  read(id: string, cursor: string | undefined): TableAnswer {
    const link = linkTo(this.#RED, id);
    const table = this.#watch(id, link);
    const changes = table?.read(cursor) ?? { cursor: '', full: true, rows: [], gone: [] };
    return { ...stateOf(link), now: Date.now(), ...changes };
  }

  #watch(id: string, link: BrokerLink): DeviceTable | undefined {
    const now = performance.now();
    const known = this.#feeds.get(id);
    const broker = 'broker' in link ? link.broker : undefined;
    if (known !== undefined && known.table?.broker === broker) {
      known.askedAt = now;
      return known.table;
    }
    known?.end();
    if (broker === undefined) {
      this.#feeds.delete(id);
      return undefined;
    }
    const table = new DeviceTable(broker, Queue.of(broker).updates);
    const tell = (): void => this.#tell(id);
    table.on('changed', tell);
    broker.on('status', tell);
    table.start();
    const end = (): void => {
      table.close();
      broker.off('status', tell);
    };
    this.#feeds.set(id, { table, end, askedAt: now });
    this.#timer ??= setInterval(() => this.#endUnwatched(), WATCHED / 3).unref();
    return table;
  }

  #tell(id: string): void {
    this.#RED.comms.publish(`homie-ota/${id}`, { changed: true }, false);
  }

  #endUnwatched(): void {
    for (const [id, { askedAt, end }] of this.#feeds) {
      if (performance.now() - askedAt < WATCHED) continue;
      end();
      this.#feeds.delete(id);
    }
    if (this.#feeds.size > 0) return;
    clearInterval(this.#timer);
    this.#timer = undefined;
  }
}
