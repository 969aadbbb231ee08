import assert from 'node:assert/strict';
import fc from 'fast-check';
import { ProgressMeter } from '../../src/ota/progress';

describe('ProgressMeter', () => {
  it('is exact when the device reports', () => {
    const meter = new ProgressMeter(1000, 0);
    meter.begin(0);
    assert.deepEqual(meter.report(250, 1000), { written: 250, estimated: false, percent: 25, remaining: 3 });
  });

  it('goes on at the measured pace between two reports', () => {
    const meter = new ProgressMeter(1000, 0);
    meter.begin(0);
    meter.report(200, 1000);
    const { written, estimated, percent } = meter.estimate(2000);
    assert.deepEqual({ written, estimated, percent }, { written: 400, estimated: true, percent: 40 });
  });

  it('is overdue when nothing was heard for much longer than the rest should take', () => {
    const meter = new ProgressMeter(100_000, 0);
    meter.begin(0);
    meter.report(50_000, 10_000);
    assert.equal(meter.isOverdue(20_000), false);
    assert.equal(meter.isOverdue(40_000), true);
    meter.report(60_000, 40_000);
    assert.equal(meter.isOverdue(41_000), false);
  });

  it('rules out that a lost device had the whole image only where another report was due', () => {
    const meter = new ProgressMeter(400_000, 0);
    meter.begin(0);
    assert.equal(meter.partial(), 0, 'no report came, and two were due');
    meter.report(146_000, 10_000);
    assert.equal(meter.partial(), 37, 'another report was due');
    meter.report(292_000, 20_000);
    assert.equal(meter.partial(), undefined, 'the rest may have come all at once');
  });

  it('claims nothing before the device has begun', () => {
    assert.equal(new ProgressMeter(1000, 0).estimate(60_000).percent, 0);
  });

  it('never falls, and never passes 95 percent', () => {
    fc.assert(
      fc.property(
        fc.array(fc.record({ report: fc.boolean(), wait: fc.nat(5000), written: fc.nat(300_000) })),
        (steps) => {
          const meter = new ProgressMeter(300_000, 0);
          meter.begin(0);
          let now = 0;
          let last = 0;
          for (const { report, wait, written } of steps) {
            now += wait;
            const progress = report ? meter.report(written, now) : meter.estimate(now);
            assert.ok(progress.percent >= last && progress.percent <= 95);
            assert.ok(progress.written >= 0 && progress.written <= 300_000);
            assert.ok(progress.remaining >= 0);
            last = progress.percent;
          }
        },
      ),
    );
  });
});
