import { isFinal, type Update } from '../update/update';
import type { Why } from '../update/why';
import type { Canaries } from './canaries';
import type { JobContext } from './job-device';
import type { JobDevices } from './job-devices';

/** Maximum number of canaries to name: of those that are observed, the last ones. */
const MAX_NAMED = 5;

/** Says why a job and its devices wait, as far as the job itself knows. */
export class Waiting {
  readonly #context: JobContext;
  readonly #devices: JobDevices;
  readonly #canaries: Canaries;

  constructor(context: JobContext, devices: JobDevices, canaries: Canaries) {
    this.#context = context;
    this.#devices = devices;
    this.#canaries = canaries;
  }

  /** Returns why a job that has not ended starts no more devices; undefined if nothing keeps it from that. */
  ofJob(): Why | undefined {
    const { schedule, lifetime } = this.#context;
    const { mode, soaking } = schedule.plan.holds;
    if (lifetime.idle === 'done') return soaking.length > 0 ? this.#canary : undefined;
    if (mode !== 'active') return this.#halt(mode);
    if (!this.#devices.isAdmitted) return { kind: 'looking' };
    if (!schedule.isOpen) return this.#window;
    return schedule.plan.holds.inCanary ? this.#canary : undefined;
  }

  /** Returns why a device waits, or until when it is observed as a canary. */
  ofDevice({ device, state, reason }: Pick<Update, 'device' | 'state' | 'reason'>): Why | undefined {
    const { plan } = this.#context.schedule;
    if (isFinal(state)) return plan.holds.isSoaking(device) ? this.#observation([device]) : undefined;
    if (state === 'running') return undefined;
    switch (reason) {
      case 'window':
        return this.#window;
      case 'canary':
        return this.#canary;
      case 'paused':
      case 'stopped':
        return this.#halt(reason);
      case 'offline':
      case 'never_seen':
      case 'busy':
        return { kind: reason };
      default:
        return this.#devices.isAdmitted ? { kind: 'slot', count: plan.running.size } : { kind: 'looking' };
    }
  }

  #halt(mode: 'paused' | 'stopped'): Why {
    if (mode === 'paused') return { kind: mode };
    return { kind: mode, count: this.#context.schedule.plan.holds.state.failures };
  }

  get #window(): Why {
    return { kind: 'window', until: this.#context.schedule.opensAt.getTime() };
  }

  /** The canaries that are observed, or else those that are in progress. */
  get #canary(): Why | undefined {
    const { holds, running } = this.#context.schedule.plan;
    const { soaking } = holds;
    if (soaking.length > 0) return this.#observation(soaking.slice(-MAX_NAMED));
    return running.size > 0 ? { kind: 'canary', devices: [...running].slice(0, MAX_NAMED) } : undefined;
  }

  #observation(devices: readonly string[]): Why {
    const ends = devices.map((device) => this.#canaries.untilOf(device));
    const until = Math.max(...ends.map((end) => end ?? Number.NaN));
    return { kind: 'observation', devices, ...(Number.isFinite(until) && { until }) };
  }
}
