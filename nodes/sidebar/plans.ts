import { randomUUID } from 'node:crypto';
import { setNewest } from '../../src/set-newest';
import type { SidebarJobs } from '../shared/sidebar-jobs';
import type { PlanAnswer, PlannedDevice, PlanRequest, StartAnswer } from './answers';
import { planExclusion } from './exclusion-plan';
import { planJobs } from './job-plan';
import { planConfig } from './config-plan';
import { SidebarRefusal } from './sidebar-refusal';
import { planUpdate } from './update-plan';

/** What an action would do to each device. */
export interface Plan {
  readonly devices: readonly PlannedDevice[];
  /** See `PlanAnswer`. */
  readonly others?: number;
  /**
   * Does what was shown; undefined if there is nothing to do.
   *
   * @returns the ids of the jobs that do it
   */
  readonly begin: (() => Promise<readonly string[]>) | undefined;
}

/** Maximum number of plans to keep for a homie-broker. The oldest is dropped first. */
const MAX_PLANS = 20;

/** How long a plan is kept, in ms. A plan may contain secrets, which are in memory only. */
const KEPT = 15 * 60_000;

/** The plans of a homie-broker that were shown and not started. They end with the next deploy of the homie-broker. */
export class Plans {
  static readonly #all = new WeakMap<SidebarJobs, Plans>();

  readonly #jobs: SidebarJobs;
  readonly #plans = new Map<string, { readonly plan: Plan; readonly timer: NodeJS.Timeout }>();

  private constructor(jobs: SidebarJobs) {
    this.#jobs = jobs;
  }

  /** Returns the plans of a homie-broker. */
  static of(jobs: SidebarJobs): Plans {
    const plans = Plans.#all.get(jobs) ?? new Plans(jobs);
    Plans.#all.set(jobs, plans);
    return plans;
  }

  /**
   * Checks what an action would do, and remembers the answer. Changes nothing.
   *
   * @throws {HomieError} why the action would be refused; an AbortError when the homie-broker is closed
   */
  async make(request: PlanRequest): Promise<PlanAnswer> {
    const plan = await planOf(this.#jobs, request);
    const id = randomUUID();
    const timer = setTimeout(() => this.#plans.delete(id), KEPT).unref();
    const [, dropped] = setNewest(this.#plans, id, { plan, timer }, MAX_PLANS) ?? [];
    clearTimeout(dropped?.timer);
    const { devices, others = 0 } = plan;
    return { id, action: request.action, devices, others };
  }

  /**
   * Does what a plan has shown, once.
   *
   * @throws {SidebarRefusal} changed: the plan is not known, or no longer true; nothing: it includes no device
   * @throws {HomieError} why the action is refused; an AbortError when the homie-broker is closed
   */
  async start(id: string): Promise<StartAnswer> {
    const { plan, timer } = this.#plans.get(id) ?? {};
    if (plan === undefined) throw new SidebarRefusal('changed');
    if (plan.begin === undefined) throw new SidebarRefusal('nothing');
    // A second request must not do it again.
    this.#plans.delete(id);
    clearTimeout(timer);
    const jobs = await plan.begin();
    return { jobs, devices: plan.devices.filter(({ included }) => included).length };
  }
}

async function planOf(jobs: SidebarJobs, request: PlanRequest): Promise<Plan> {
  switch (request.action) {
    case 'update':
    case 'rollback':
      return planUpdate(jobs, request);
    case 'set':
      return planConfig(jobs, request);
    case 'cancel':
    case 'retry':
    case 'resume':
      return planJobs(jobs, request);
    case 'exclude':
    case 'include':
      return planExclusion(jobs, request);
  }
}
