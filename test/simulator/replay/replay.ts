import { EventEmitter, once } from 'node:events';
import { connectAsync, type MqttClient } from 'mqtt';
import { startAedes } from '../../support/aedes';
import { SimulatedDevice } from '../device';
import { optionsOf, type ReplayOptions } from './arguments';
import { compare } from './compare';
import { StandIns } from './images';
import { type Recording, whyNotReplayed } from './recording';
import { type Action, scriptOf } from './script';
import { extend, kindOf, NOTHING, type Kind, type Sequences } from './sequences';

export type Outcome =
  | { readonly verdict: 'conform' }
  | { readonly verdict: 'differ'; readonly differences: readonly string[] }
  | { readonly verdict: 'not replayed'; readonly reason: string };

/** Milliseconds until something that the recording shows must have come. */
const PATIENCE = 10_000;

/** Most of a replay is waiting; so many at once keep a machine with two cores busy. */
const AT_ONCE = 4;

export interface Replay {
  readonly recording: Recording;
  readonly outcome: Promise<Outcome>;
}

/** Replays several at once, in their order. */
export function replayAll(recordings: readonly Recording[]): Replay[] {
  const replays: Replay[] = [];
  for (const recording of recordings) {
    const before = replays.at(-AT_ONCE)?.outcome ?? Promise.resolve();
    replays.push({ recording, outcome: before.then(() => replay(recording)) });
  }
  return replays;
}

/**
 * Does to a simulated device what was done to the real one, on a broker of its own, and compares what came.
 * @returns never rejects: a recording that cannot be understood differs
 */
export async function replay(recording: Recording): Promise<Outcome> {
  try {
    const reason = whyNotReplayed(recording);
    if (reason !== undefined) return { verdict: 'not replayed', reason };
    const options = optionsOf(recording.input);
    if ('unknown' in options) return { verdict: 'not replayed', reason: `${options.unknown} is not known` };
    const differences = await replayOnBroker(recording, options);
    return differences.length === 0 ? { verdict: 'conform' } : { verdict: 'differ', differences };
  } catch (error) {
    return { verdict: 'differ', differences: [`the replay failed: ${String(error)}`] };
  }
}

async function replayOnBroker(recording: Recording, options: ReplayOptions): Promise<string[]> {
  const broker = await startAedes();
  const client = await connectAsync(broker.url, { protocolVersion: 4, reconnectPeriod: 0 });
  try {
    const standIns = new StandIns(recording);
    const create = () => new SimulatedDevice({ ...options, url: broker.url, image: standIns.running });
    return await perform(recording, client, standIns, create);
  } finally {
    await client.endAsync(true);
    await broker.close();
  }
}

async function perform(
  recording: Recording,
  client: MqttClient,
  standIns: StandIns,
  create: () => SimulatedDevice,
): Promise<string[]> {
  const script = scriptOf(recording);
  const observer = new Observer(standIns);
  await client.subscribeAsync('#', { qos: 1 });
  client.on('message', (topic, payload) => observer.receive(topic, payload));
  let device = create();
  device.switchOn();
  try {
    for (const action of script.actions) {
      await observer.reaches(action.after);
      if (action.does === 'publish') {
        if (action.putsFileBack) device.file = recording.input.config;
        await publish(client, standIns, action);
      } else if (action.does === 'take away') {
        await device.stop();
      } else {
        device = create();
        device.switchOn();
      }
    }
    await observer.reaches(script.expected);
    if (!script.cut) await caughtUp(client, device);
    const before = observer.sequences.states.length;
    await device.stop();
    // The will comes after all that the device has sent.
    if (![undefined, 'lost'].includes(observer.sequences.states.at(-1))) await observer.comes('states');
    const { states, ...others } = observer.sequences;
    return compare(recording, script, { ...others, states: states.slice(0, before) });
  } catch (error) {
    if (!(error instanceof TookTooLong)) throw error;
    return [...compare(recording, script, observer.sequences), error.message];
  } finally {
    await device.stop();
  }
}

async function publish(client: MqttClient, standIns: StandIns, { step }: Action & { does: 'publish' }): Promise<void> {
  const { qos, retain } = step;
  await client.publishAsync(standIns.topic(step), standIns.payload(step), { qos, retain });
}

/** Resolves when the device has dealt with all that was published, and with what came of it. */
async function caughtUp(client: MqttClient, device: SimulatedDevice): Promise<void> {
  const topic = `${device.baseTopic}$broadcast/caught-up`;
  const deadline = AbortSignal.timeout(PATIENCE);
  while (device.phase !== 'off') {
    const waiting = new AbortController();
    const signal = AbortSignal.any([waiting.signal, deadline]);
    const changed = [once(device, 'phase', { signal }), once(device, 'message', { signal })];
    if (device.phase === 'ready') await client.publishAsync(topic, 'now', { qos: 1 });
    const [event]: unknown[] = await Promise.race(changed).catch(() => []);
    waiting.abort();
    await Promise.allSettled(changed);
    if (deadline.aborted) throw new TookTooLong(`the device was not through after ${PATIENCE / 1000} s`);
    if (event === topic) return;
  }
}

class TookTooLong extends Error {}

/** Sees what any subscriber sees. */
class Observer extends EventEmitter<Record<Kind, []>> {
  readonly #standIns: StandIns;
  sequences: Sequences = NOTHING;

  constructor(standIns: StandIns) {
    super();
    this.#standIns = standIns;
  }

  receive(topic: string, payload: Buffer): void {
    const text = payload.toString();
    this.sequences = extend(this.sequences, topic, this.#standIns.recordedAs(text) ?? text);
    const kind = kindOf(topic);
    if (kind) this.emit(kind);
  }

  /** Resolves when as much has come as in `sequences`; whether it is the same is for later. */
  async reaches({ states, statuses, checksums }: Sequences): Promise<void> {
    while (this.sequences.states.length < states.length) await this.comes('states');
    while (this.sequences.statuses.length < statuses.length) await this.comes('statuses');
    while (this.sequences.checksums.length < checksums.length) await this.comes('checksums');
  }

  async comes(kind: Kind): Promise<void> {
    try {
      await once(this, kind, { signal: AbortSignal.timeout(PATIENCE) });
    } catch {
      throw new TookTooLong(`nothing more came for ${PATIENCE / 1000} s`);
    }
  }
}
