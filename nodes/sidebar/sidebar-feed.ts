import type { NodeAPI } from 'node-red';
import { DeviceTable } from '../../src/devices/table';
import { Queue } from '../../src/rollout/queue';
import { linkTo, stateOf, type BrokerLink } from '../shared/broker-node';
import type { OfferCard, TableAnswer } from './answers';
import { offerCards } from './offers';

/** How long a table is kept up to date after the last request for it, in ms. */
const WATCHED = 90_000;

interface Feed {
  readonly table: DeviceTable;
  /** Returns the images on offer, as they were after the last change of the table. */
  readonly offers: () => readonly OfferCard[];
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
      // Also the homie-brokers for which an editor has asked before their first deploy.
      const ids = new Set(this.#feeds.keys());
      RED.nodes.eachNode(({ id, type }) => {
        if (type === 'homie-broker') ids.add(id);
      });
      for (const id of ids) this.#tell(id);
    });
  }

  /** @param cursor that of the last answer, if there was one */
  read(id: string, cursor: string | undefined): TableAnswer {
    const link = linkTo(this.#RED, id);
    const feed = this.#watch(id, link);
    const changes = feed?.table.read(cursor) ?? { cursor: '', full: true, rows: [], gone: [] };
    const jobs = feed === undefined ? [] : Queue.of(feed.table.broker).cards();
    return { ...stateOf(link), now: Date.now(), ...changes, jobs, offers: feed?.offers() ?? [] };
  }

  #watch(id: string, link: BrokerLink): Feed | undefined {
    const now = performance.now();
    const known = this.#feeds.get(id);
    const broker = 'broker' in link ? link.broker : undefined;
    if (known !== undefined && known.table.broker === broker) {
      known.askedAt = now;
      return known;
    }
    known?.end();
    if (broker === undefined) {
      this.#feeds.delete(id);
      return undefined;
    }
    const table = new DeviceTable(broker, Queue.of(broker).updates);
    let cards: readonly OfferCard[] | undefined;
    const tell = (): void => this.#tell(id);
    table.on('changed', () => {
      cards = undefined;
      tell();
    });
    broker.on('status', tell);
    table.start();
    const end = (): void => {
      table.close();
      broker.off('status', tell);
    };
    const feed = { table, offers: () => (cards ??= offerCards(broker)), end, askedAt: now };
    this.#feeds.set(id, feed);
    this.#timer ??= setInterval(() => this.#endUnwatched(), WATCHED / 3).unref();
    return feed;
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
