import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import fc from 'fast-check';
import { alternate, judge, median, ratio, rowsOf, spread, tableOf } from '../../bench/report';
import { describeIf } from '../support/describe-if';
import { mosquittoAvailable } from '../support/mosquitto';
import { root } from '../support/node-red';

const values = fc.array(fc.double({ min: 0.001, max: 1e9, noNaN: true }), { minLength: 1, maxLength: 20 });

function run(...options: string[]): { status: number | null; stdout: string; stderr: string } {
  return spawnSync(process.execPath, ['--import', 'tsx', 'bench/run.ts', ...options], { cwd: root, encoding: 'utf8' });
}

describe('the arithmetic of the benchmark', () => {
  it('takes the middle value, or the mean of the two in the middle', () => {
    assert.equal(median([9, 1, 5]), 5);
    assert.equal(median([9, 1, 5, 6]), 5.5);
    assert.equal(median([10, 9, 100]), 10);
    assert.throws(() => median([]), RangeError);
  });

  it('finds a median that as many values are below as above, in whatever order they come', () => {
    fc.assert(
      fc.property(values, (all) => {
        const middle = median(all);
        assert.ok(all.filter((each) => each < middle).length <= all.length / 2);
        assert.ok(all.filter((each) => each > middle).length <= all.length / 2);
        assert.equal(median(all.toReversed()), middle);
      }),
    );
  });

  it('leaves the values as they are', () => {
    const all = [3, 1, 2];
    median(all);
    assert.deepEqual(all, [3, 1, 2]);
  });

  it('divides the median of the package by that of the baseline', () => {
    assert.equal(ratio([3, 100, 3], [2, 2, 0]), 1.5);
  });

  it('tells how far values lie apart', () => {
    assert.equal(spread([4, 2, 3]), 2);
    assert.throws(() => spread([]), RangeError);
  });

  it('takes a limit itself for met, from both sides', () => {
    assert.equal(judge(1.05, { atMost: 1.05 }), 'met');
    assert.equal(judge(1.051, { atMost: 1.05 }), 'missed');
    assert.equal(judge(0.9, { atLeast: 0.9 }), 'met');
    assert.equal(judge(0.89, { atLeast: 0.9 }), 'missed');
  });

  it('never takes for met what was not measured, or is no number', () => {
    assert.equal(judge(undefined, { atMost: 1 }), 'not measured');
    assert.equal(judge(Number.NaN, { atMost: 1 }), 'missed');
    assert.equal(judge(Number.NaN, { atLeast: 1 }), 'missed');
    assert.equal(judge(1, undefined), 'measured');
  });

  it('lets the contestants take turns, and turns their order round each time', async () => {
    const order: string[] = [];
    const contestant = (name: string) => async (): Promise<number> => order.push(name);
    const results = await alternate(3, { a: contestant('a'), b: contestant('b') });
    assert.deepEqual(order, ['a', 'b', 'b', 'a', 'a', 'b']);
    assert.deepEqual(results, { a: [1, 4, 5], b: [2, 3, 6] });
  });
});

describe('the report of the benchmark', () => {
  const rows = rowsOf({ number: 9, title: 'Nine' }, [
    { what: 'good', value: 1, unit: 'x', limit: { atMost: 1.05 }, note: '2 ms / 2 ms' },
    { what: 'bad', value: 61.25, unit: 'ms', limit: { atMost: 60 }, note: '' },
    { what: 'unknown', value: undefined, unit: 'MiB', limit: { atLeast: 1 }, note: 'why' },
    { what: 'told', value: 250, unit: 'KiB', note: '' },
  ]);

  it('has a verdict for each figure', () => {
    assert.deepEqual(
      rows.map(({ verdict }) => verdict),
      ['met', 'missed', 'not measured', 'measured'],
    );
  });

  it('holds nothing that JSON would lose', () => {
    assert.deepEqual(JSON.parse(JSON.stringify(rows)), rows);
    assert.equal(rows[2]?.value, null);
    assert.equal(rows[3]?.limit, null);
  });

  it('marks in the table what is missed', () => {
    const lines = tableOf(rows).split('\n').slice(2);
    assert.match(lines[0] ?? '', /^9 +Nine: good +1\.00 +<= 1\.05 +met +2 ms \/ 2 ms$/);
    assert.match(lines[1] ?? '', /^9 +Nine: bad +61\.3 ms +<= 60\.0 ms +MISSED$/);
    assert.match(lines[2] ?? '', /^9 +Nine: unknown +- +>= 1\.0 MiB +not measured +why$/);
    assert.match(lines[3] ?? '', /^9 +Nine: told +250 KiB$/);
  });
});

describeIf(mosquittoAvailable())('npm run bench', () => {
  it('prints the machine and the rows as JSON, and nothing else', () => {
    const { status, stdout, stderr } = run('--quick', '--json', '--only', '6');
    assert.equal(status, 0, stderr);
    const report: unknown = JSON.parse(stdout);
    const { machine, quick, rows }: { machine?: unknown; quick?: unknown; rows?: unknown } = Object(report);
    assert.deepEqual(Object.keys(Object(machine)), ['cpu', 'cores', 'memory', 'system', 'node', 'mosquitto', 'load']);
    assert.equal(Reflect.get(Object(machine), 'node'), process.version);
    assert.equal(quick, true);
    assert.ok(Array.isArray(rows));
    assert.equal(rows.length, 4);
    const { value, verdict, ...rest }: Record<string, unknown> = rows[0];
    assert.deepEqual(Object.keys(rest), ['figure', 'title', 'what', 'unit', 'limit', 'note']);
    assert.equal(rest['figure'], 6);
    assert.ok(typeof value === 'number' && Number.isFinite(value));
    assert.equal(verdict, value <= 2 ? 'met' : 'missed');
  });

  it('refuses a figure that there is not', () => {
    const { status, stderr } = run('--only', '99');
    assert.equal(status, 2);
    assert.match(stderr, /There is no figure 99/);
  });
});
