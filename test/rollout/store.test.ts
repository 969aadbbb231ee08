import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { md5 } from '../../src/firmware/checksum';
import { JobStore } from '../../src/rollout/store';

describe('the files of jobs', () => {
  let folder: string;

  before(async () => {
    folder = await mkdtemp(path.join(tmpdir(), 'store-'));
  });
  after(() => rm(folder, { recursive: true, force: true }));

  it('keep a firmware for a job that has only just begun when another job with it is forgotten', async () => {
    const store = new JobStore(folder, (error) => assert.fail(error));
    const image = Buffer.alloc(1000, 1);
    const firmware = await md5(image);
    const head = { node: 'node', scope: 'broker/', firmware, keep: 0, work: {} };
    const [first, second] = [0, 1].map(() => store.begin(randomUUID(), head, image));
    await first?.remove();
    assert.deepEqual(await store.firmware(firmware), image);
    await second?.remove();
    await assert.rejects(store.firmware(firmware), { code: 'FIRMWARE_NOT_KEPT' });
  });
});
