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

  it('is a change of what is on offer, unless it was excluded before', async () => {
    const { library } = lab;
    const before = library.revision;
    await library.exclude(light, true);
    const excluded = library.revision;
    assert.notEqual(excluded, before);
    await library.exclude(light, true);
    assert.equal(library.revision, excluded);
    await library.exclude(light, false);
    assert.notEqual(library.revision, excluded);
  });

  it('stays as it was where the change cannot be stored', async () => {
    const { library } = lab;
    await library.exclude(plug, true);
    lab.failing = 'excluded';
    const before = library.revision;
    await assert.rejects(library.exclude(light, true), { code: 'JOB_NOT_SAVED' });
    await assert.rejects(library.exclude(plug, false), { code: 'JOB_NOT_SAVED' });
    assert.deepEqual([library.isExcluded(light), library.isExcluded(plug)], [false, true]);
    assert.equal(library.revision, before);
  });

  it('is forgotten with the device', async () => {
    await lab.library.exclude(light, true);
    await lab.library.forget(light);
    assert.equal(lab.library.isExcluded(light), false);
    assert.deepEqual([...lab.stored.keys()], []);
  });

  it('is nothing that a damaged file makes up', async () => {
    lab.stored.set(`excluded ${light}`, '{"yes":1}');
    assert.equal((await lab.restart()).isExcluded(light), false);
  });
});
