import { EventEmitter, once } from 'node:events';
import { setTimeout as delay } from 'node:timers/promises';
import { connectAsync, type MqttClient } from 'mqtt';
import { withDeadline } from '../../../src/deadline';
import { startAedes } from '../../support/aedes';
import { HANG_LIMIT } from '../../support/limits';
import { SimulatedDevice } from '../device';
import { SECTOR } from '../flash';
import { optionsOf, type ReplayOptions } from './arguments';
import { compare } from './compare';
import { StandIns } from './images';
import { isFirmware, type Recording, whyNotReplayed } from './recording';
import { type Action, scriptOf } from './script';
import { extend, kindOf, NOTHING, type Kind, type Sequences } from './sequences';

export type Outcome =
  | { readonly verdict: 'conform' }
  | { readonly verdict: 'differ'; readonly differences: readonly string[] }
  | { readonly verdict: 'not replayed'; readonly reason: string };

/** Milliseconds. A replay that takes longer runs in parallel with all others. */
const LONG = 20_000;

/** Number of replays in parallel. They mostly wait; this many keep a machine with two cores busy. */
const AT_ONCE = 4;

export interface Replay {
  readonly recording: Recording;
  readonly outcome: Promise<Outcome>;
}

/** Replays the recordings in order, several in parallel. The long ones all start immediately. */
export function replayAll(recordings: readonly Recording[]): Replay[] {
  const inTurn: Promise<Outcome>[] = [];
  return recordings.map((recording) => {
    if (takesLong(recording)) return { recording, outcome: replay(recording) };
    const before = inTurn.at(-AT_ONCE) ?? Promise.resolve();
    const outcome = before.then(() => replay(recording));
    inTurn.push(outcome);
    return { recording, outcome };
  });
}

/** Returns whether waiting and flashing take more than 20 s in the replay. */
export function takesLong(recording: Recording): boolean {
  const options = optionsOf(recording.input);
  if ('unknown' in options) return false;
  const steps = scriptOf(recording).actions.flatMap((action) => (action.does === 'publish' ? [action] : []));
  const flashing = (bytes: number) => Math.ceil(bytes / SECTOR) * (options.flashDelay ?? 0);
  const times = steps.map(({ pause, step }) => pause + (isFirmware(step) ? flashing(step.bytes ?? 0) : 0));
  return times.reduce((sum, time) => sum + time, 0) > LONG;
}

/**
 * Repeats with a simulated device, on its own broker, what was done to the real one, and compares the messages.
 * @returns never rejects: a recording that cannot be interpreted differs
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
  const observer = new Observer(standIns, HANG_LIMIT + longestSilence(recording));
  await client.subscribeAsync('#', { qos: 1 });
  client.on('message', (topic, payload) => observer.receive(topic, payload));
  let device = create();
  device.switchOn();
  try {
    for (const action of script.actions) {
      await observer.reaches(action.after);
      if (action.does === 'publish') {
        await delay(action.pause);
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
    // The will arrives after everything that the device has sent.
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

/** Returns the longest time between two messages of the same kind, in ms. */
function longestSilence({ messages }: Recording): number {
  const last = new Map<Kind, number>();
  let longest = 0;
  for (const { t, topic } of messages) {
    const kind = kindOf(topic);
    if (!kind) continue;
    longest = Math.max(longest, t - (last.get(kind) ?? 0));
    last.set(kind, t);
  }
  return longest;
}

/** Waits until the device has processed everything that was published, including the reboots that follow. */
async function caughtUp(client: MqttClient, device: SimulatedDevice): Promise<void> {
  const topic = `${device.baseTopic}$broadcast/caught-up`;
  const deadline = performance.now() + HANG_LIMIT;
  while (device.phase !== 'off') {
    const waiting = new AbortController();
    const { signal } = waiting;
    const changed = [
      once(device, 'phase', { signal }),
      once(device, 'message', { signal }),
      delay(Math.max(0, deadline - performance.now()), [], { signal }),
    ];
    if (device.phase === 'ready') await client.publishAsync(topic, 'now', { qos: 1 });
    const [event]: unknown[] = await Promise.race(changed);
    waiting.abort();
    await Promise.allSettled(changed);
    // The device may have received the message and still be about to reboot because of an earlier one.
    if (event === topic && device.phase === 'ready' && !device.rebootIsDue) return;
    if (performance.now() >= deadline) throw new TookTooLong(`the device was not through after ${HANG_LIMIT / 1000} s`);
  }
}

class TookTooLong extends Error {}

/** Collects the messages that any subscriber receives. */
class Observer extends EventEmitter<Record<Kind, []>> {
  readonly #standIns: StandIns;
  readonly #patience: number;
  sequences: Sequences = NOTHING;

  /** @param patience longest wait for the next message, in ms */
  constructor(standIns: StandIns, patience: number) {
    super();
    this.#standIns = standIns;
    this.#patience = patience;
  }

  receive(topic: string, payload: Buffer): void {
    const text = payload.toString();
    this.sequences = extend(this.sequences, topic, this.#standIns.recordedAs(text) ?? text);
    const kind = kindOf(topic);
    if (kind) this.emit(kind);
  }

  /** Waits for as many messages as in `sequences`, except for configurations. Does not compare them. */
  async reaches({ states, statuses, checksums }: Sequences): Promise<void> {
    while (this.sequences.states.length < states.length) await this.comes('states');
    while (this.sequences.statuses.length < statuses.length) await this.comes('statuses');
    while (this.sequences.checksums.length < checksums.length) await this.comes('checksums');
  }

  async comes(kind: Kind): Promise<void> {
    try {
      await withDeadline(this.#patience, undefined, (signal) => once(this, kind, { signal }));
    } catch {
      throw new TookTooLong(`nothing more came for ${Math.round(this.#patience / 1000)} s`);
    }
  }
}
