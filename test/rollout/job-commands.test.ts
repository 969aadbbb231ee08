import fc from 'fast-check';
import assert from 'node:assert/strict';
import type { DeviceState } from '../../src/homie/device';
import { jobCommands } from '../../src/rollout/job-commands';
import { NODE, StillLife, type End } from './still-life';

const ids = ['a', 'b', 'c'];
const images = ['1'.repeat(32), '2'.repeat(32)];

const id = fc.constantFrom(...ids);
const ask = fc.record({
  kind: fc.constant('ask' as const),
  image: fc.constantFrom(...images),
  devices: fc.subarray(ids, { minLength: 1 }),
  late: fc.boolean(),
  rollout: fc.record({
    continuous: fc.boolean(),
    canary: fc.integer({ min: 0, max: 1 }),
    concurrency: fc.integer({ min: 1, max: 2 }),
    maxFailures: fc.integer({ min: 0, max: 2 }),
  }),
});
const event = fc.oneof(
  { weight: 3, arbitrary: ask },
  {
    weight: 3,
    arbitrary: fc.record({
      kind: fc.constant('state' as const),
      id,
      states: fc.constantFrom<DeviceState[]>(['ready'], ['sleeping'], ['lost'], ['init', 'ready']),
    }),
  },
  {
    weight: 6,
    arbitrary: fc.record({
      kind: fc.constant('end' as const),
      which: fc.nat({ max: 2 }),
      how: fc.constantFrom<End>('taken', 'taken', 'lost', 'other', 'gone'),
    }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('reflash' as const), id }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('find' as const) }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('time' as const), ms: fc.integer({ min: 1, max: 700 }) }) },
  {
    weight: 3,
    arbitrary: fc.record({
      kind: fc.constant('command' as const),
      command: fc.constantFrom('pause' as const, 'resume' as const, 'retry' as const, 'cancel' as const),
      device: fc.option(id, { nil: undefined }),
    }),
  },
);
type Event = typeof event extends fc.Arbitrary<infer T> ? T : never;

async function happen(life: StillLife, what: Event): Promise<void> {
  switch (what.kind) {
    case 'ask':
      life.ask(what.image, what.devices, what.rollout, what.late);
      break;
    case 'state':
      life.is(what.id, ...what.states);
      break;
    case 'end': {
      const { underWay } = life;
      const device = underWay[what.which % Math.max(1, underWay.length)];
      if (device !== undefined) life.end(device, what.how);
      break;
    }
    case 'find':
      life.find();
      break;
    case 'reflash':
      life.shows(what.id);
      break;
    case 'time':
      await life.pass(what.ms);
      break;
    case 'command': {
      const target = what.device === undefined ? {} : { devices: [what.device] };
      life.goOn(() => void jobCommands[what.command](life.queue, NODE, target));
    }
  }
  await life.settle();
}

/** Lets everything go well from now on. */
async function finish(life: StillLife): Promise<void> {
  life.find();
  await life.settle();
  life.goOn(() => void jobCommands.resume(life.queue, NODE, {}));
  const before = life.transfers + life.underWay.length;
  for (let round = 0; round < 15; round += 1) {
    // In the last rounds the devices reconnect each time.
    for (const device of ids) life.is(device, ...(round < 10 ? [] : (['init'] as const)), 'ready');
    await life.settle();
    for (const device of life.underWay) life.end(device, 'taken');
    await life.settle();
    await life.pass(600);
    await life.settle();
  }
  assert.ok(life.transfers - before <= ids.length * images.length, 'flashed to and fro');
  life.untilIdle();
}

describe('whatever messages come, and whatever devices do', () => {
  it('no job gets stuck, no device is in two, and none is sent an image more often than is allowed', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(event, { maxLength: 40, size: 'max' }), async (events) => {
        const life = new StillLife(ids);
        try {
          for (const each of events) await happen(life, each);
          await finish(life);
        } finally {
          await life.close();
        }
      }),
      { numRuns: 500 },
    );
  });

  it('none is said to have waited for a window where there is none', async () => {
    const life = new StillLife(ids);
    try {
      life.is('a', 'lost');
      life.ask('1'.repeat(32), ['a'], {}, false);
      await life.settle();
      // The device becomes ready at the moment at which it expires.
      life.is('a', 'ready');
      await life.pass(1000);
      await life.settle();
      const [job] = life.queue.jobs();
      assert.equal(job?.devices[0]?.error?.code, 'DEVICE_OFFLINE');
    } finally {
      await life.close();
    }
  });
});
