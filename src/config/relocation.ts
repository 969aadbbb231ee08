/** The addresses that a patch moves a device through, and what the broker still retains at the old ones. */
import { withDeadline } from '../deadline';
import { asHomieError, HomieError } from '../errors';
import type { HomieBroker } from '../homie/broker';
import type { DeviceState } from '../homie/device';
import { hasDisconnected } from '../homie/device-observer';
import { effectiveBaseTopic, isConvention5 } from '../homie/own-config';
import { settle, untilReady } from '../homie/presence';
import { clearRetained, isStateTopic, knownRoots, ownTopics, retainedBelow } from '../homie/retained';
import type { MoveReport } from '../update/update';
import { showableAt } from '../homie/uptime';
import type { DeviceWatch } from '../homie/watch';
import { baseTopicOf, deviceIdOf } from './file';
import { isLeftover } from './check-device';
import type { PatchStep } from './patch-step';

/**
 * Maximum time to set up another connection to the broker, in ms. Longer while the broker is still sending retained
 * messages.
 */
const SETTLE = 10_000;

/** The address of a device: a base topic and a device id. */
export class Address {
  readonly broker: HomieBroker;
  readonly device: string;
  readonly watch: DeviceWatch;

  constructor(broker: HomieBroker, device: string) {
    this.broker = broker;
    this.device = device;
    this.watch = broker.watch(device);
  }

  /** Base topic and device id. */
  get root(): string {
    return this.broker.baseTopic + this.device;
  }

  /** Whether the device is connected here, by its last known `$state`. */
  get hasDevice(): boolean {
    const state = this.#state;
    return state !== undefined && !hasDisconnected(state);
  }

  get isAsleep(): boolean {
    return this.#state === 'sleeping';
  }

  /**
   * Waits until the device is ready again after a reboot, and has been up long enough for another reboot to be
   * provable.
   *
   * @param atMost time limit in ms: until the device is ready, and again for further reboots after that
   * @throws {HomieError} why the device is not ready; NOT_READY: the device keeps rebooting; the reason of the signal
   */
  async untilReadyAgain(atMost: number, stop: AbortSignal): Promise<void> {
    await untilReady(this.broker, this.watch, this.device, performance.now() + atMost, stop);
    let until: number | undefined;
    for (;;) {
      const known = this.broker.registry.get(this.device);
      const now = performance.now();
      if (known?.state?.value !== 'ready') return;
      const at = showableAt(known, now);
      if (at <= now) return;
      until ??= at + atMost;
      if (now >= until) throw new HomieError('NOT_READY.restarting');
      await this.watch.next(at, stop);
    }
  }

  get #state(): DeviceState | undefined {
    return this.broker.registry.get(this.device)?.state?.value;
  }
}

/** The addresses that a patch moves a device through, starting with the current one. */
export class Relocation {
  readonly #addresses: Address[];
  /** Connections opened for base topics other than that of the first address. */
  readonly #brokers: HomieBroker[] = [];
  readonly #release: (() => void)[] = [];
  readonly #closed = new AbortController();

  constructor(broker: HomieBroker, device: string) {
    this.#addresses = [new Address(broker, device)];
  }

  get start(): Address {
    return this.#addresses[0] ?? this.end;
  }

  get end(): Address {
    const last = this.#addresses.at(-1);
    if (last === undefined) throw new HomieError('UNEXPECTED');
    return last;
  }

  /**
   * Prepares the addresses that the steps move the device to: connects to each one, and locks the device there.
   *
   * @returns the address of the device after each step
   * @throws {HomieError} DEVICE_ID_TAKEN, DEVICE_BUSY, REBOOT_PENDING, FACTS_MISSING, NOT_CONNECTED, STILL_RECEIVING;
   * the reason of the signal
   */
  async prepare(steps: readonly PatchStep[], signal: AbortSignal): Promise<Address[]> {
    // Discards the addresses of an earlier call, after which nothing was sent.
    for (const { watch } of this.#addresses.splice(1)) watch.close();
    const after: Address[] = [];
    for (const step of steps) {
      const target = this.#target(step);
      if (target !== undefined) this.#addresses.push(await this.#arrive(target, signal));
      after.push(this.end);
    }
    return after;
  }

  /**
   * Reports what is retained at each address that the device has left on its way to `now`, and clears it if requested.
   * A failure is reported in `kept`; the proven result stands.
   */
  async leaveBehind(now: Address, how: Leaving): Promise<MoveReport[]> {
    const moves: MoveReport[] = [];
    for (const old of this.#addresses.slice(0, this.#addresses.indexOf(now))) {
      try {
        moves.push(await leaveBehind(old, now, how));
      } catch (error) {
        const kept = asHomieError(error).message;
        moves.push({ from: old.root, to: now.root, retained: [], cleared: [], kept });
      }
    }
    return moves;
  }

  /** Releases the locks of the addresses to which the device was to move. */
  release(): void {
    for (const release of this.#release.splice(0)) release();
  }

  /**
   * Waits until another patch is sent to the device at an address: what the device does from then on may be due to that
   * patch.
   *
   * @returns false if `close` is called before that
   */
  async untilPatched({ broker, device }: Address): Promise<boolean> {
    const watch = broker.watch(device);
    try {
      for (;;) {
        const event = await watch.next(Number.POSITIVE_INFINITY, this.#closed.signal);
        // The device itself publishes an empty one.
        if (event?.attribute === 'configSet' && event.live && event.value !== '') return true;
      }
    } catch {
      return false;
    } finally {
      watch.close();
    }
  }

  /** Closes all watches and connections. */
  async close(): Promise<void> {
    this.#closed.abort();
    for (const { watch } of this.#addresses) watch.close();
    await Promise.all(this.#brokers.map((broker) => broker.close()));
  }

  #target(step: PatchStep): { baseTopic: string; device: string } | undefined {
    const known = this.start.broker.registry.get(this.start.device);
    const mac = known?.mac?.value;
    const [before, expected] = [step.before(), step.expected()];
    const { broker, device } = this.end;
    const id = deviceIdOf(expected, mac);
    if (id === undefined) {
      throw new HomieError('FACTS_MISSING.macAddress');
    }
    const isRenamed = id !== deviceIdOf(before, mac);
    const isRebased = baseTopicOf(expected) !== baseTopicOf(before);
    if (!isRenamed && !isRebased) return undefined;
    const isFive = isConvention5(known, this.start.broker.baseTopic);
    const own = isRebased ? baseTopicOf(expected) : undefined;
    return {
      baseTopic: own === undefined ? broker.baseTopic : effectiveBaseTopic(own, isFive),
      device: isRenamed ? id : device,
    };
  }

  async #arrive({ baseTopic, device }: { baseTopic: string; device: string }, signal: AbortSignal): Promise<Address> {
    const broker = await this.#reach(baseTopic, signal);
    await broker.seek([device], signal);
    const there = broker.registry.get(device);
    if (there !== undefined && !isLeftover(there, this.#known())) throw new HomieError('DEVICE_ID_TAKEN');
    const { start } = this;
    const job = start.broker.locks.holder(start.device) ?? '';
    this.#release.push(broker.locks.reserve(device, job));
    return new Address(broker, device);
  }

  /**
   * Returns what is known of the device, but with an empty id: at another base topic, the same id is another device.
   */
  #known() {
    const known = this.start.broker.registry.get(this.start.device);
    return known && { ...known, id: '' };
  }

  async #reach(baseTopic: string, signal: AbortSignal): Promise<HomieBroker> {
    const open = [this.start.broker, ...this.#brokers].find((broker) => broker.baseTopic === baseTopic);
    if (open !== undefined) return open;
    const broker = this.start.broker.beside(baseTopic);
    this.#brokers.push(broker);
    broker.start();
    try {
      await withDeadline(SETTLE, signal, (patience) => broker.settled(patience));
    } catch {
      signal.throwIfAborted();
      if (broker.isReceiving) await settle(broker, signal);
      if (broker.isReceiving) throw new HomieError('STILL_RECEIVING');
      if (broker.isSettled) return broker;
      throw new HomieError('NOT_CONNECTED.newBaseTopic', { baseTopic });
    }
    return broker;
  }
}

/** What to do with the topics that a device has left behind. */
interface Leaving {
  /** Whether to clear the topics. */
  readonly clear: boolean;
  /** Time for the old `$state` to become `lost`, in ms. */
  readonly patience: number;
  readonly signal: AbortSignal;
}

/**
 * Finds the topics of a device that the broker still retains at the old address, and clears them if requested. Clears
 * only topics that were seen retained there, only while the old `$state` stays `lost`, and never a topic of another
 * device.
 *
 * @param now the address at which the device is proven to be
 */
async function leaveBehind(old: Address, now: Address, { clear, patience, signal }: Leaving): Promise<MoveReport> {
  const lost = await untilLost(old, patience, signal);
  const { registry } = old.broker;
  const others = [...knownRoots(old.broker), ...knownRoots(now.broker), now.root];
  const retained = await ownTopics(await retainedBelow(old.broker, old.root, signal), old.root, others);
  const report = { from: old.root, to: now.root, retained };
  // A device retains its topics, so an empty list means that the broker does not show them.
  if (retained.length === 0) return { ...report, cleared: [], kept: UNSHOWN };
  if (!clear) return { ...report, cleared: [] };
  if (!lost) return { ...report, cleared: [], kept: 'The old $state did not become lost.' };

  const before = registry.get(old.device)?.state;
  const cleared: string[] = [];
  const stands = (): boolean => {
    const state = registry.get(old.device)?.state;
    return state === before || (state === undefined && cleared.some(isStateTopic));
  };
  if (await clearRetained(retained, { sender: old, stands, cleared, signal })) return { ...report, cleared };
  return { ...report, cleared, kept: 'The old $state changed in the meantime.' };
}

const UNSHOWN =
  'The broker shows no retained topics there: it may deliver them for exact topics only (RabbitMQ), or not to this user (ACL).';

async function untilLost(old: Address, patience: number, signal: AbortSignal): Promise<boolean> {
  const until = performance.now() + patience;
  while (old.broker.registry.get(old.device)?.state?.value !== 'lost') {
    if ((await old.watch.next(until, signal)) === undefined) return false;
  }
  return true;
}
