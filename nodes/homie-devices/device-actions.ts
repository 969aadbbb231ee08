import { asHomieError, HomieError } from '../../src/errors';
import { Firmware } from '../../src/firmware/firmware';
import type { Forgetting } from '../../src/devices/forget';
import { reportError } from '../../src/update/update';
import { forgetDevices } from '../../src/devices/forget-devices';
import { listDevices } from '../../src/devices/list';
import { queryNames, readQuery, type DeviceQuery } from '../../src/devices/query';
import { Queue } from '../../src/rollout/queue';
import type { HomieBroker } from '../../src/homie/broker';
import { settle } from '../../src/homie/presence';
import type { JobStore } from '../../src/rollout/store/job-store';
import { orThrow } from '../shared/actions';
import { failureAmong } from '../shared/message-summaries';
import type { BrokerLink } from '../shared/broker-node';
import { OpenMessages } from '../shared/node-events';
import { isAbsent, readAction, readDevices, readOptions, type Request } from '../shared/request';

/** How long a report waits for retained messages, in ms. */
const PATIENCE = 10_000;

/** The settings that a message may have. */
const optionNames = queryNames.filter((name) => name !== 'device');

interface DeviceActionsInput {
  readonly link: BrokerLink;
  /** The filters of the node, used unless a message sets others, or the error in them. */
  readonly query: DeviceQuery | HomieError;
  /** Where the library of firmware is read from; undefined if there is no user directory. */
  readonly store: JobStore | undefined;
  /** Returns a bug report about a broker and some of its devices. */
  readonly report: (broker: HomieBroker, devices: readonly string[]) => string;
}

/** The actions of a homie-devices node. */
export class DeviceActions {
  readonly #input: DeviceActionsInput;
  readonly #open = new OpenMessages();

  constructor(input: DeviceActionsInput) {
    this.#input = input;
  }

  /**
   * Answers a message. Never rejects.
   *
   * @param send called with the answer, if there is one
   * @returns the error for `done`, if any
   */
  async handle(msg: Request, send: (payload: unknown) => void): Promise<HomieError | undefined> {
    try {
      return await this.#open.add(this.#answer(msg, send));
    } catch (error) {
      return this.#open.closing.aborted ? undefined : asHomieError(error);
    }
  }

  /** Aborts what is in progress. Resolves when every message has ended. */
  async close(): Promise<void> {
    this.#open.abort();
    await this.#open.ended();
  }

  async #answer(msg: Request, send: (payload: unknown) => void): Promise<HomieError | undefined> {
    const signal = this.#open.closing;
    const { link, query: own, store, report } = this.#input;
    const action = readAction(msg['action'], ['list', 'forget', 'report']);
    const { device, options: given } = msg;
    const options = orThrow(readOptions(given, optionNames));
    if (action === 'report') {
      if ('error' in link) throw link.error;
      // A device is unknown until the retained messages have arrived.
      await settle(link.broker, signal, PATIENCE);
      // The filters of the node must not keep a device out of a report.
      send(report(link.broker, isAbsent(device) || device === '' ? [] : readDevices(device)));
      return undefined;
    }
    const query = readQuery(orThrow(own), { ...options, device });
    if ('error' in link) throw link.error;
    const { broker } = link;
    const firmware = query.outdated ? await Firmware.from(msg['payload'], { checksum: msg['checksum'] }) : undefined;
    signal.throwIfAborted();
    if (action === 'list') {
      send(await listDevices({ broker, updates: Queue.of(broker).updates }, query, firmware, signal));
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
  const topics = cleared.length === 1 ? 'topic' : 'topics';
  return { id, cleared, text: `${id}: forgotten, ${cleared.length} retained ${topics} cleared.` };
}
