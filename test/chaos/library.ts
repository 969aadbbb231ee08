import { EventEmitter, once } from 'node:events';
import { cpSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { inspect } from 'node:util';
import { HomieError } from '../../src/errors';
import type { Job } from '../../src/rollout/job';
import type { JobCommand } from '../../src/rollout/job-commands';
import { Queue } from '../../src/rollout/queue';
import { JobStore } from '../../src/rollout/store/job-store';
import { isAbort } from '../../src/unless-aborted';
import { resetLocks } from '../support/locks';
import type { Proxy } from '../support/proxy';
import { Deployment, inHaste } from './deployment';
import { listen } from './listen';
import { Home } from './home';
import type { ImageOrigin } from '../../src/library/choose';
import { libraryWorks, meantBy, rolloutOf, whatOf, workOf } from './messages';
import type { Line, Ours, Surroundings } from './ours';
import type { ErrandPlan } from './plan';

/** Our side in this process: the whole package except for its nodes, with its own files. */
export class Library implements Ours {
  readonly #around: Surroundings;
  readonly #changes = new EventEmitter<{ change: [] }>();
  readonly #answers = new Set<string>();
  readonly #leaks: string[] = [];
  #folder: string;
  #store: JobStore;
  /** A proxy for each connection. */
  #proxies: readonly Proxy[];
  #deployment: Deployment;
  /** The previous change: changes run one at a time. */
  #turn: Promise<void> = Promise.resolve();
  #count = 0;
  /** Whether no connection to the broker can be made. */
  #isDown = false;

  private constructor(around: Surroundings, folder: string, proxies: readonly Proxy[]) {
    this.#around = around;
    this.#folder = folder;
    this.#proxies = proxies;
    this.#store = this.#openStore();
    this.#deployment = this.#deploy();
  }

  static async open(around: Surroundings): Promise<Library> {
    const folder = await mkdtemp(path.join(tmpdir(), 'chaos-'));
    const [line, folder0] = [{ isDown: (): boolean => false }, path.join(folder, '0')];
    const library = new Library(around, folder0, await listenForAll(around, () => line.isDown()));
    line.isDown = () => library.#isDown;
    return library;
  }

  get line(): Line {
    const each = (act: (proxy: Proxy) => void): void => this.#proxies.forEach(act);
    return {
      cut: () => each((proxy) => proxy.cut()),
      cutAfter: (bytes) => each((proxy) => proxy.cutAfter(bytes)),
      stall: () => each((proxy) => proxy.stall()),
      flow: () => each((proxy) => proxy.flow()),
      mute: () => each((proxy) => proxy.mute()),
      limit: (bytesPerSecond) => each((proxy) => proxy.limit(bytesPerSecond)),
      interrupt: () => {
        this.#isDown = true;
        each((proxy) => proxy.cut());
      },
      restore: () => void (this.#isDown = false),
    };
  }

  async ask(errand: ErrandPlan): Promise<void> {
    const { home, see } = this.#around;
    const { plan } = home;
    const devices = meantBy(plan, errand).map((index) => Home.id(plan, index));
    const what = whatOf(plan, errand);
    const named = typeof errand.devices === 'string' ? [] : devices;
    const { attempts } = errand;
    const { around, requesters } = this.#deployment.side(errand.via);
    if (errand.origin !== undefined) return this.#askLibrary(errand, errand.origin);
    await this.#answer(errand.what, async () => {
      const { job, run } = await requesters[errand.what].ask(inHaste(await workOf(plan, errand, around), plan), {});
      const at = performance.now();
      see({ kind: 'asked', at, device: '', job: job.id, what, devices, named, attempts, rollout: rolloutOf(errand) });
      await run();
    });
  }

  async #askLibrary(errand: ErrandPlan, origin: ImageOrigin): Promise<void> {
    const { home, see } = this.#around;
    const { plan } = home;
    const { around, requesters } = this.#deployment.side(errand.via);
    const { attempts } = errand;
    await this.#answer(`update of ${origin}`, async () => {
      const works = await libraryWorks(plan, errand, origin, around);
      const answers = works.map(async ({ work, what, devices: indices }) => {
        const { job, run } = await requesters.update.ask(inHaste(work, plan), {});
        const devices = indices.map((index) => Home.id(plan, index));
        const named = typeof errand.devices === 'string' ? [] : devices;
        const back = origin === 'previous' ? { isRollback: true as const } : {};
        const more = { rollout: rolloutOf(errand), ...back };
        see({ kind: 'asked', at: performance.now(), device: '', job: job.id, what, devices, named, attempts, ...more });
        await run();
      });
      await Promise.all(answers);
    });
  }

  async steer(command: JobCommand, device?: number): Promise<void> {
    const { home, see } = this.#around;
    const target = device === undefined ? {} : { devices: [home.id(device)] };
    if (command === 'retry') {
      const meant = device === undefined ? home.dwellers.map(({ index }) => index) : [device];
      for (const index of meant) see({ kind: 'allowed', at: performance.now(), device: home.id(index) });
    }
    if (command === 'resume') see({ kind: 'resumed', at: performance.now(), device: '' });
    await Promise.all(
      this.#deployment.requesters.map((requester) => this.#answer(command, () => requester.command(command, target))),
    );
  }

  async exclude(device: number, isExcluded: boolean): Promise<void> {
    const { home, see } = this.#around;
    const deployment = this.#deployment;
    const id = home.id(device);
    await this.#answer(isExcluded ? 'exclude' : 'include', async () => {
      const { brokers } = deployment;
      await this.#store.openOrThrow();
      await Promise.all(
        brokers.map((broker) => Queue.of(broker).library.exclude(`${broker.locks.scope}${id}`, isExcluded)),
      );
      if (deployment.isAlive) see({ kind: 'excluded', at: performance.now(), device: id, isExcluded });
    });
  }

  redeploy(): Promise<void> {
    return this.#next(async () => {
      this.#leaks.push(...(await this.#deployment.close()));
    });
  }

  restart(): Promise<void> {
    return this.#next(async () => {
      this.#leaks.push(...(await this.#deployment.close()));
      await this.#store.close();
      resetLocks();
      this.#store = this.#openStore();
    });
  }

  /** Keeps the files as they are at this moment, and lets nothing more out to the broker. */
  kill(): Promise<void> {
    return this.#next(async () => {
      const old = this.#deployment;
      old.isAlive = false;
      const cut = Promise.all(this.#proxies.map((proxy) => proxy.close()));
      const folder = path.join(path.dirname(this.#folder), String((this.#count += 1)));
      cpSync(this.#folder, folder, { recursive: true, force: true });
      await Promise.all([cut, old.close()]);
      await this.#store.close();
      resetLocks();
      this.#folder = folder;
      this.#store = this.#openStore();
      this.#proxies = await listenForAll(this.#around, () => this.#isDown);
    });
  }

  async rival(): Promise<() => Promise<void>> {
    return async () => undefined;
  }

  async quiet(): Promise<void> {
    for (;;) {
      await this.#turn;
      await Promise.all(this.#deployment.requesters.map(({ restored }) => restored));
      if (this.#busy.length === 0) return;
      await once(this.#changes, 'change');
    }
  }

  async finish(): Promise<string[]> {
    if (this.#deployment.open.length > 0) await this.steer('cancel');
    // A job is stored as ended before it answers.
    for (let tries = 0; tries < 100 && this.unfinished().length > 0; tries += 1) await delay(50);
    return this.unfinished();
  }

  unfinished(): string[] {
    const jobs = this.#deployment.open.map((job) => {
      const { text, state, stage } = job.summary();
      return `a job has not ended (${state} ${stage}): ${text}`;
    });
    return [...jobs, ...[...this.#answers].map((name) => `no answer to: ${name}`)];
  }

  async close(): Promise<string[]> {
    await this.#turn;
    this.#leaks.push(...(await this.#deployment.close()));
    await this.#store.close();
    await Promise.all(this.#proxies.map((proxy) => proxy.close()));
    await rm(path.dirname(this.#folder), { recursive: true, force: true });
    return this.#leaks;
  }

  /** Open jobs, except for those that only wait for a person. */
  get #busy(): Job[] {
    return this.#deployment.open.filter((job) => {
      const { state, counts } = job.summary();
      return !['stopped', 'paused'].includes(state) || counts.running !== undefined;
    });
  }

  /** Runs a request, which counts as unanswered until `work` is done. @param what its description */
  async #answer(what: string, work: () => Promise<unknown>): Promise<void> {
    if (!this.#deployment.isAlive) return;
    const name = `${what} ${(this.#count += 1)}`;
    this.#answers.add(name);
    try {
      await work();
    } catch (error) {
      if (isDefect(error)) this.#around.complain(`${name}: ${inspect(error)}`);
    }
    this.#answers.delete(name);
    this.#changes.emit('change');
  }

  #next(end: () => Promise<void>): Promise<void> {
    this.#turn = this.#change(this.#turn, end);
    return this.#turn;
  }

  async #change(before: Promise<void>, end: () => Promise<void>): Promise<void> {
    await before;
    this.#around.see({ kind: 'down', at: performance.now(), device: '' });
    await end();
    this.#deployment.isAlive = false;
    this.#deployment = this.#deploy();
    this.#changes.emit('change');
  }

  #deploy(): Deployment {
    const ports = this.#proxies.map(({ port }) => port);
    return new Deployment(ports, this.#store, this.#around, {
      changed: () => void this.#changes.emit('change'),
      goOn: ({ job, run }) => void this.#answer(`job ${job.id} of before`, run),
    });
  }

  #openStore(): JobStore {
    return new JobStore(this.#folder, (error) =>
      this.#around.complain(`told: ${error.code} ${error.message} ${String(error.cause)}`),
    );
  }
}

/** Returns whether an error is neither a refusal, nor the end of a job that a later process continues. */
function isDefect(error: unknown): boolean {
  if (error instanceof HomieError) return error.code === 'UNEXPECTED';
  return !isAbort(error);
}

/** Starts a proxy to the broker for each of our connections. */
function listenForAll(around: Surroundings, isDown: () => boolean): Promise<Proxy[]> {
  return Promise.all(Array.from({ length: around.home.plan.nodes }, () => listen(around, isDown)));
}
