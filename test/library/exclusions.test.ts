import assert from 'node:assert/strict';
import { home, LibraryLab } from './lab';

const [light, plug] = [`${home}light`, `${home}plug`];

describe('a device that is excluded from updates', () => {
  let lab: LibraryLab;

  beforeEach(() => (lab = new LibraryLab()));

  it('stays excluded after a restart, until it is included again', async () => {
    await lab.library.exclude(light, true);
    assert.deepEqual([lab.library.isExcluded(light), lab.library.isExcluded(plug)], [true, false]);
    assert.equal((await lab.restart()).isExcluded(light), true);
    await lab.library.exclude(light, false);
    assert.equal(lab.library.isExcluded(light), false);
    assert.equal((await lab.restart()).isExcluded(light), false);
  });

  it('is a change of what is on offer for it, unless it was excluded before', async () => {
    const { library } = lab;
    const changed: unknown[] = [];
    library.on('changed', (device) => changed.push(device));
    await library.exclude(light, true);
    await library.exclude(light, true);
    assert.equal(changed.length, 1);
    await library.exclude(light, false);
    assert.equal(changed.length, 2);
  });

  it('stays as it was where the change cannot be stored', async () => {
    const { library } = lab;
    await library.exclude(plug, true);
    lab.failing = 'excluded';
    const changed: unknown[] = [];
    library.on('changed', (device) => changed.push(device));
    await assert.rejects(library.exclude(light, true), { code: 'JOB_NOT_SAVED' });
    await assert.rejects(library.exclude(plug, false), { code: 'JOB_NOT_SAVED' });
    assert.deepEqual([library.isExcluded(light), library.isExcluded(plug)], [false, true]);
    assert.deepEqual(changed, []);
  });

  it('is forgotten with the device', async () => {
    await lab.library.exclude(light, true);
    await lab.library.forget(light);
    assert.equal(lab.library.isExcluded(light), false);
    assert.deepEqual([...lab.stored.keys()], []);
  });

  it('stays excluded when its broker gets another name, until it is included again or forgotten', async () => {
    const before = 'server.lan/homie/light';
    const now = '192.168.1.5/homie/light';
    await lab.library.exclude(before, true);
    const library = await lab.restart();
    // Something is known under the new name.
    await library.exclude('192.168.1.5/homie/plug', true);
    const excluded = (): string[] =>
      [before, now, `${now}-2`, '192.168.1.5/other/light'].filter((key) => library.isExcluded(key));
    assert.deepEqual(excluded(), [before, now]);
    await library.forget(now);
    assert.deepEqual(excluded(), [before, now]);
    await library.exclude(now, false);
    assert.deepEqual(excluded(), []);
    assert.equal((await lab.restart()).isExcluded(before), false);
  });

  it('is nothing that a damaged file makes up', async () => {
    lab.stored.set(`excluded ${light}`, '{"yes":1}');
    assert.equal((await lab.restart()).isExcluded(light), false);
  });
});
