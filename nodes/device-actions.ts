import { asHomieError, HomieError } from '../src/errors';
import { Firmware } from '../src/firmware/firmware';
import type { Forgetting } from '../src/homie/forget';
import { reportError } from '../src/homie/update';
import { forgetDevices } from '../src/rollout/forgetting';
import { listDevices } from '../src/rollout/listing';
import { readQuery, type DeviceQuery } from '../src/rollout/query';
import { settled } from './actions';
import type { BrokerLink } from './broker-node';
import { readAction, type Request } from './request';

/** What can be asked of the devices of a broker. */
export class DeviceActions {
  readonly #link: BrokerLink;
  /** What the node asks for where a message says nothing, or what is wrong with that. */
  readonly #query: DeviceQuery | HomieError;
  readonly #pending = new Set<Promise<unknown>>();
  readonly #closing = new AbortController();

  constructor(link: BrokerLink, query: DeviceQuery | HomieError) {
    this.#link = link;
    this.#query = query;
  }

  /**
   * Answers a message. Never rejects.
   *
   * @param send takes the answer, if there is one
   * @returns the error for `done`, if there is one
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

  /** Gives up what is under way. Resolves when every message has had its end. */
  async close(): Promise<void> {
    this.#closing.abort();
    await Promise.allSettled(this.#pending);
  }

  async #answer(msg: Request, send: (payload: unknown) => void): Promise<HomieError | undefined> {
    const { signal } = this.#closing;
    const action = readAction(msg['action'], ['list', 'forget']);
    const query = readQuery(settled(this.#query), msg);
    if ('error' in this.#link) throw this.#link.error;
    const { broker } = this.#link;
    const firmware = query.outdated ? await Firmware.from(msg['payload'], { checksum: msg['checksum'] }) : undefined;
    signal.throwIfAborted();
    if (action === 'list') {
      send(await listDevices(broker, query, firmware, signal));
      return undefined;
    }
    const forgotten = await forgetDevices(broker, query, firmware, signal);
    send(forgotten.map(({ error, ...rest }) => ({ ...rest, ...(error && { error: reportError(error) }) })));
    return failureOf(forgotten);
  }
}

/** One error that names the devices that could not be forgotten. */
function failureOf(forgotten: readonly Forgetting[]): HomieError | undefined {
  const failed = forgotten.flatMap(({ id, error }) => (error === undefined ? [] : [{ id, error }]));
  const [first] = failed;
  if (first === undefined) return undefined;
  const shown = failed.slice(0, 5).map(({ id, error }) => `${id}: ${error.message}`);
  const text = [...shown, ...(failed.length > 5 ? [`… and ${failed.length - 5} more.`] : [])].join(' ');
  const { code, hint, cause } = first.error;
  return new HomieError(code, text, { hint, cause });
}
