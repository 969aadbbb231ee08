import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { rowsOf, tableOf } from '../../bench/report';
import { describeIf } from '../support/describe-if';
import { mosquittoAvailable } from '../support/mosquitto';
import { root } from '../support/node-red';

function run(...options: string[]): { status: number | null; stdout: string; stderr: string } {
  return spawnSync(process.execPath, ['--import', 'tsx', 'bench/run.ts', ...options], { cwd: root, encoding: 'utf8' });
}

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
