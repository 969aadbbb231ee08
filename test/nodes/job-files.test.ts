import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { pollutes } from '../attacks/hostile';
import { hostileJobs } from '../attacks/hostile-jobs';
import { stopFlow, TestFlow } from './flow';
import { configNode, payload, Scene } from './scene';

describe('The folder of the jobs, with a file that somebody has put there,', () => {
  let folder: string;
  let jobs: string;

  beforeEach(async () => {
    folder = await mkdtemp(path.join(os.tmpdir(), 'homie-ota-attack-'));
    jobs = path.join(folder, 'homie-ota', 'jobs');
    await mkdir(jobs, { recursive: true });
  });
  afterEach(() => rm(folder, { recursive: true, force: true }));

  for (const [title, content] of Object.entries(hostileJobs)) {
    it(`lets a node go on, and pollutes nothing: ${title}`, async () => {
      const id = randomUUID();
      await writeFile(path.join(jobs, `${id}.jsonl`), content);
      const scene = await Scene.open();
      try {
        const flow = await TestFlow.start({ ...scene.broker, baseTopic: 'homie/' }, configNode, { userDir: folder });
        flow.send({ action: 'status' });
        assert.equal(payload(await flow.summary.first(), 'state'), 'idle');
        assert.deepEqual(await readdir(jobs), [`${id}.jsonl.damaged`]);
        // oxlint-disable-next-line no-control-regex
        assert.doesNotMatch(flow.log().replaceAll('\n', ' '), /[\u0000-\u001F]/);
        assert.ok(!pollutes());
      } finally {
        await stopFlow();
        await scene.close();
      }
    });
  }
});
