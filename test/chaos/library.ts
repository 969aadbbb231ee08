import { EventEmitter, once } from 'node:events';
import { cpSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { Actions } from '../../nodes/actions';
import { DeviceLocks } from '../../src/homie/lock';
import type { Job } from '../../src/rollout/job';
import { JobStore } from '../../src/rollout/store';
import type { Proxy } from '../support/proxy';
import { Deployment, outbox } from './deployment';
import { listen } from './listen';
import { Home } from './home';
import { meantBy, messageOf, whatOf } from './messages';
import type { Line, Ours, Surroundings } from './ours';
import type { ErrandPlan } from './plan';

/** A message to one of our nodes. */
interface Asked {
  readonly name: string;
  readonly message: Record<string, unknown>;
  readonly tell?: (job: string) => void;
}

/** Our side in this process: all of the package but Node-RED, with files of its own. */
export class Library implements Ours {
  readonly #around: Surroundings;
  readonly #changes = new EventEmitter<{ change: [] }>();
  readonly #answers = new Set<string>();
  readonly #leaks: string[] = [];
  #folder: string;
  #store: JobStore;
  /** One for each broker node. */
  #proxies: readonly Proxy[];
  #deployment: Deployment;
  /** One change of the process after the other. */
  #turn: Promise<void> = Promise.resolve();
  #count = 0;

  private constructor(around: Surroundings, folder: string, proxies: readonly Proxy[]) {
    this.#around = around;
    this.#folder = folder;
    this.#proxies = proxies;
    this.#store = this.#openStore();
    this.#deployment = this.#deploy();
  }

  static async open(around: Surroundings): Promise<Library> {
    const folder = await mkdtemp(path.join(tmpdir(), 'chaos-'));
    return new Library(around, path.join(folder, '0'), await listenForAll(around));
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
    };
  }

  async ask(errand: ErrandPlan): Promise<void> {
    const { plan } = this.#around.home;
    const name = `${errand.what} ${(this.#count += 1)}`;
    const devices = meantBy(plan, errand).map((index) => Home.id(plan, index));
    const what = whatOf(plan, errand);
    const { attempts } = errand;
    await this.#answer(this.#deployment.actions(errand.via)[errand.what === 'set' ? 'config' : 'ota'], {
      name,
      message: messageOf(plan, errand),
      tell: (job) =>
        this.#around.see({ kind: 'asked', at: performance.now(), device: '', job, what, devices, attempts }),
    });
  }

  async steer(action: 'cancel' | 'pause' | 'resume' | 'retry', device?: number): Promise<void> {
    const { home, see } = this.#around;
    const named = device === undefined ? {} : { device: home.id(device) };
    if (action === 'retry') {
      const meant = device === undefined ? home.dwellers.map(({ index }) => index) : [device];
      for (const index of meant) see({ kind: 'allowed', at: performance.now(), device: home.id(index) });
    }
    const name = `${action} ${(this.#count += 1)}`;
    await Promise.all(
      this.#deployment.nodes.map((node, index) =>
        this.#answer(node, { name: `${name} ${index}`, message: { action, ...named } }),
      ),
    );
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
      DeviceLocks.reset();
      this.#store = this.#openStore();
    });
  }

  /** What it has written stays as it is at this moment, and nothing of it goes out any more. */
  kill(): Promise<void> {
    return this.#next(async () => {
      const old = this.#deployment;
      old.isAlive = false;
      const cut = Promise.all(this.#proxies.map((proxy) => proxy.close()));
      const folder = path.join(path.dirname(this.#folder), String((this.#count += 1)));
      cpSync(this.#folder, folder, { recursive: true, force: true });
      await Promise.all([cut, old.close()]);
      await this.#store.close();
      DeviceLocks.reset();
      this.#folder = folder;
      this.#store = this.#openStore();
      this.#proxies = await listenForAll(this.#around);
    });
  }

  async rival(): Promise<() => Promise<void>> {
    return async () => undefined;
  }

  async quiet(): Promise<void> {
    for (;;) {
      await this.#turn;
      // A message is answered only when the jobs of before go on.
      await Promise.all(this.#deployment.nodes.map((node) => node.handle({ action: 'status' }, outbox({}))));
      if (this.#busy.length === 0) return;
      await once(this.#changes, 'change');
    }
  }

  async finish(): Promise<string[]> {
    if (this.#deployment.open.length > 0) await this.steer('cancel');
    for (let tries = 0; tries < 100 && this.#deployment.open.length > 0; tries += 1) await delay(50);
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

  /** Jobs that do not wait for a person only. */
  get #busy(): Job[] {
    return this.#deployment.open.filter((job) => {
      const { state, counts } = job.summary();
      return !['stopped', 'paused'].includes(state) || counts.running !== undefined;
    });
  }

  async #answer(actions: Actions<string>, { name, message, tell }: Asked): Promise<void> {
    if (!this.#deployment.isAlive) return;
    this.#answers.add(name);
    const answer = await actions.handle(message, outbox(message, tell));
    this.#answers.delete(name);
    if (answer instanceof Error && answer.code === 'UNEXPECTED') {
      this.#around.complain(
        `${name}: ${answer.stack} ${String(answer.cause instanceof Error ? answer.cause.stack : answer.cause)}`,
      );
    }
    this.#changes.emit('change');
  }

  #next(end: () => Promise<void>): Promise<void> {
    this.#turn = this.#change(this.#turn, end);
    return this.#turn;
  }

  async #change(before: Promise<void>, end: () => Promise<void>): Promise<void> {
    await before;
    await end();
    this.#deployment.isAlive = false;
    this.#deployment = this.#deploy();
    this.#changes.emit('change');
  }

  #deploy(): Deployment {
    const ports = this.#proxies.map(({ port }) => port);
    return new Deployment(ports, this.#store, this.#around, () => this.#changes.emit('change'));
  }

  #openStore(): JobStore {
    return new JobStore(this.#folder, (error) =>
      this.#around.complain(`told: ${error.code} ${error.message} ${String(error.cause)}`),
    );
  }
}

/** A way to the broker for each of our broker nodes. */
function listenForAll(around: Surroundings): Promise<Proxy[]> {
  return Promise.all(Array.from({ length: around.home.plan.nodes }, () => listen(around)));
}
