import assert from 'node:assert/strict';
import fc from 'fast-check';
import { isFinal } from '../../src/update/update';
import { Plan, type PlanSettings, type PlanStage } from '../../src/rollout/plan';

const ids = ['a', 'b', 'c', 'd', 'e'];

type Event =
  | { readonly kind: 'asks' | 'woke' | 'away' | 'notSent' | 'soaked' | 'spoiled' | 'dozed'; readonly which: number }
  | { readonly kind: 'succeeded' | 'failed' | 'harmed' | 'skipped' | 'rejected' | 'canceled'; readonly which: number }
  | { readonly kind: 'again' | 'retry'; readonly which: number }
  | { readonly kind: 'pause' | 'resume' | 'join' }
  | { readonly kind: 'time'; readonly ms: number; readonly open: boolean };

const which = fc.nat({ max: 4 });
const event: fc.Arbitrary<Event> = fc.oneof(
  { weight: 6, arbitrary: fc.record({ kind: fc.constantFrom('asks' as const, 'woke' as const), which }) },
  {
    weight: 5,
    arbitrary: fc.record({ kind: fc.constantFrom('succeeded' as const, 'failed' as const, 'harmed' as const), which }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constantFrom('skipped' as const, 'rejected' as const, 'canceled' as const),
      which,
    }),
  },
  { weight: 2, arbitrary: fc.record({ kind: fc.constantFrom('away' as const, 'notSent' as const), which }) },
  {
    weight: 2,
    arbitrary: fc.record({ kind: fc.constantFrom('soaked' as const, 'spoiled' as const, 'dozed' as const), which }),
  },
  { weight: 2, arbitrary: fc.record({ kind: fc.constantFrom('again' as const, 'retry' as const), which }) },
  {
    weight: 2,
    arbitrary: fc.record({ kind: fc.constantFrom('pause' as const, 'resume' as const, 'join' as const) }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constant('time' as const),
      ms: fc.integer({ min: 1, max: 700 }),
      open: fc.boolean(),
    }),
  },
);

const settings: fc.Arbitrary<PlanSettings> = fc.record({
  concurrency: fc.integer({ min: 1, max: 3 }),
  canary: fc.integer({ min: 0, max: 3 }),
  spacing: fc.constantFrom(0, 100),
  maxFailures: fc.integer({ min: 0, max: 2 }),
  expires: fc.constantFrom(0, 1000),
  continuous: fc.boolean(),
});

/** A plan, and assertions that must always hold for it. */
class PlanModel {
  readonly #plan: Plan;
  readonly #settings: PlanSettings;
  #now = 0;
  #open = true;
  /** Number of failures since the user last resumed the plan. */
  #failures = 0;
  /** Whether a canary was harmed or did not stay ready since then. */
  #isUnstable = false;
  /** Total time for which each device was away, in ms. */
  readonly #away = new Map<string, number>();

  constructor(chosen: PlanSettings) {
    this.#settings = chosen;
    this.#plan = new Plan(chosen);
    this.#plan.add(ids.slice(0, 3), 0);
  }

  happen(what: Event): void {
    const plan = this.#plan;
    switch (what.kind) {
      case 'time':
        this.#now += what.ms;
        for (const id of this.#in('away')) this.#away.set(id, (this.#away.get(id) ?? 0) + what.ms);
        this.#open = what.open;
        break;
      case 'pause':
        plan.holds.pause();
        break;
      case 'resume':
        this.#resume();
        break;
      case 'join':
        plan.add(ids, this.#now);
        break;
      default:
        this.#befall(what.kind, what.which);
    }
    this.#look();
  }

  /** Lets everything go well from now on, and asserts that the plan ends. */
  finish(): void {
    const plan = this.#plan;
    this.#resume();
    this.#open = true;
    for (let round = 0; round < 40 && !plan.isDone; round += 1) {
      for (const id of ids) {
        const stage = plan.stage(id);
        if (stage === 'running') plan.ended(id, 'succeeded');
        else if (stage !== undefined && !isFinal(stage)) plan.asks(id, false, this.#now);
      }
      for (const id of plan.holds.soaking) plan.holds.soaked(id);
      this.#now += 100;
      this.#look();
    }
    assert.ok(plan.isDone, `stuck: ${ids.map((id) => `${id} ${plan.stage(id)}`).join(', ')}`);
  }

  /** Applies an event to one of the devices to which it can happen. */
  #befall(kind: Exclude<Event, { kind: 'time' | 'pause' | 'resume' | 'join' }>['kind'], nth: number): void {
    const plan = this.#plan;
    const pick = (from: readonly string[]): string => from[nth % Math.max(1, from.length)] ?? '';
    const waiting = this.#in('new', 'away', 'asking');
    const ended = this.#in('succeeded', 'skipped', 'failed', 'timed_out', 'rejected', 'canceled');
    switch (kind) {
      case 'asks':
      case 'woke':
        plan.asks(pick(waiting), kind === 'woke', this.#now);
        return;
      case 'away':
        plan.away(pick(waiting), this.#now);
        return;
      case 'notSent':
        plan.notSent(pick(this.#in('running')));
        return;
      case 'failed':
      case 'harmed':
      case 'succeeded': {
        const id = pick(this.#in('running'));
        if (kind !== 'succeeded' && id !== '') this.#failures += 1;
        if (kind === 'harmed' && id !== '' && plan.holds.inCanary) this.#isUnstable = true;
        const watched = kind === 'harmed' ? plan.ended(id, 'failed', 'NOT_BACK') : plan.ended(id, kind);
        assert.equal(watched, plan.holds.soaking.includes(id));
        return;
      }
      case 'skipped':
      case 'rejected':
      case 'canceled':
        plan.ended(pick(waiting), kind);
        return;
      case 'spoiled':
        if (plan.holds.soaking.length > 0) this.#isUnstable = true;
        plan.spoiled(pick(plan.holds.soaking));
        return;
      case 'soaked':
        plan.holds.soaked(pick(plan.holds.soaking));
        return;
      case 'dozed':
        plan.holds.dozed(pick(plan.holds.soaking));
        return;
      case 'retry':
        this.#resume();
        this.#again(pick(ended));
        return;
      case 'again':
        if (this.#settings.continuous) this.#again(pick(ended));
        return;
    }
  }

  #again(id: string): void {
    if (!this.#plan.holds.isSoaking(id)) this.#away.delete(id);
    this.#plan.again([id], this.#now);
  }

  #resume(): void {
    this.#failures = 0;
    this.#isUnstable = false;
    if (this.#plan.holds.mode !== 'active') this.#away.clear();
    this.#plan.resume(this.#now);
  }

  #look(): void {
    const plan = this.#plan;
    const { concurrency, canary, maxFailures, expires } = this.#settings;
    const before = new Map(ids.map((id) => [id, plan.stage(id)]));
    const { start, expired, wakeAt = Infinity } = plan.due(this.#now, this.#open);
    for (const id of start) {
      assert.equal(before.get(id), 'asking');
      assert.ok(!plan.holds.soaking.includes(id), `${id} is sent to while it is watched`);
    }
    const running = this.#in('running').length;
    assert.ok(running <= concurrency, `${running} at once`);
    if (start.length > 0) {
      assert.ok(this.#open && plan.holds.mode === 'active');
      assert.ok(!this.#isUnstable, 'goes on after a canary was harmed or did not stay ready');
      assert.ok(maxFailures === 0 || this.#failures < maxFailures, `goes on after ${this.#failures} failures`);
      if (plan.holds.inCanary) assert.ok(running + plan.holds.soaking.length <= canary, 'too many canaries');
    }
    assert.ok(wakeAt > this.#now);
    for (const id of expired) {
      assert.notEqual(plan.stage(id), 'running');
      plan.ended(id, 'timed_out');
    }
    if (plan.holds.mode !== 'active') return;
    for (const id of this.#in('away')) assert.ok((this.#away.get(id) ?? 0) < expires, `${id} is waited for too long`);
  }

  #in(...stages: readonly PlanStage[]): string[] {
    return ids.filter((id) => stages.some((stage) => this.#plan.stage(id) === stage));
  }
}

describe('any sequence of events', () => {
  it('starts a device once until it has ended, never too many, and leaves no plan stuck', () => {
    fc.assert(
      fc.property(settings, fc.array(event, { maxLength: 60, size: 'max' }), (chosen, events) => {
        const course = new PlanModel(chosen);
        for (const each of events) course.happen(each);
        course.finish();
      }),
      { numRuns: 1000 },
    );
  });
});
