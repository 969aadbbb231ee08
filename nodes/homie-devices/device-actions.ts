import { asHomieError, HomieError } from '../../src/errors';
import { Firmware } from '../../src/firmware/firmware';
import type { Forgetting } from '../../src/devices/forget';
import { reportError } from '../../src/update/update';
import { forgetDevices } from '../../src/devices/forget-devices';
import { listDevices } from '../../src/devices/list';
import { queryNames, readQuery, type DeviceQuery } from '../../src/devices/query';
import { Queue } from '../../src/rollout/queue';
import type { JobStore } from '../../src/rollout/store/job-store';
import { orThrow } from '../shared/actions';
import { failureAmong } from '../shared/message-summaries';
import type { BrokerLink } from '../shared/broker-node';
import { optionsOf, withOldUpdates } from '../shared/old-messages';
import { readAction, type Request } from '../shared/request';

/** The settings that a message may have. */
const optionNames = queryNames.filter((name) => name !== 'device');

interface Around {
  /** Where the library of firmware is read from; undefined if there is no user directory. */
  readonly store: JobStore | undefined;
  /** Whether messages have the form of version 0.1.0. */
  readonly oldMessages: boolean;
}

/** The actions of a homie-devices node. */
export class DeviceActions {
  readonly #link: BrokerLink;
  /** The filters of the node, used unless a message sets others, or the error in them. */
  readonly #query: DeviceQuery | HomieError;
  readonly #pending = new Set<Promise<unknown>>();
  readonly #closing = new AbortController();

  readonly #around: Around;

  constructor(link: BrokerLink, query: DeviceQuery | HomieError, around: Around) {
    this.#link = link;
    this.#query = query;
    this.#around = around;
  }

  /**
   * Answers a message. Never rejects.
   *
   * @param send called with the answer, if there is one
   * @returns the error for `done`, if any
   */
  async handle(msg: Request, send: (payload: unknown) => void): Promise<HomieError | undefined> {
    const answer = this.#answer(msg, send);
    this.#pending.add(answer);
    try {
      return await answer;
    } catch (error) {
      return this.#closing.signal.aborted ? undefined : asHomieError(error);
    } finally {
      this.#pending.delete(answer);
    }
  }

  /** Aborts what is in progress. Resolves when every message has ended. */
  async close(): Promise<void> {
    this.#closing.abort();
    await Promise.allSettled(this.#pending);
  }

  async #answer(msg: Request, send: (payload: unknown) => void): Promise<HomieError | undefined> {
    const { signal } = this.#closing;
    const { store, oldMessages } = this.#around;
    const action = readAction(msg['action'], ['list', 'forget']);
    const options = orThrow(optionsOf(msg, optionNames, oldMessages));
    const query = readQuery(orThrow(this.#query), { ...options, device: msg['device'] });
    if ('error' in this.#link) throw this.#link.error;
    const { broker } = this.#link;
    const firmware = query.outdated ? await Firmware.from(msg['payload'], { checksum: msg['checksum'] }) : undefined;
    signal.throwIfAborted();
    if (action === 'list') {
      const devices = await listDevices({ broker, updates: Queue.of(broker).updates }, query, firmware, signal);
      send(oldMessages ? withOldUpdates(devices) : devices);
      return undefined;
    }
    // The images of devices are known only then.
    await store?.open();
    const { library } = Queue.of(broker);
    const forgotten = await forgetDevices({ broker, library }, query, firmware, signal);
    send(forgotten.map(answerOf));
    return failureAmong(forgotten.flatMap(({ id, error }) => (error === undefined ? [] : [{ device: id, error }])));
  }
}

function answerOf({ id, cleared, error }: Forgetting): object {
  if (error !== undefined)
    return { id, cleared, error: reportError(error), text: `${id}: not forgotten. ${error.message}` };
  return { id, cleared, text: `${id}: forgotten, ${cleared.length} retained topics cleared.` };
}
