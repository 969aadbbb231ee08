import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import path from 'node:path';
import { promisify } from 'node:util';

describe('The memory of the registry', () => {
  it('is at most 4 KiB for each of 10,000 devices, and does not grow when all is said again', async () => {
    const script = path.join(__dirname, 'registry-memory.ts');
    const { stdout } = await promisify(execFile)(process.execPath, ['--import', 'tsx', script]);
    const { devices, once, twice }: { devices: number; once: number; twice: number } = JSON.parse(stdout);
    assert.equal(devices, 10_000);
    assert.ok(once / devices <= 4096, `${Math.round(once / devices)} bytes a device`);
    assert.ok(twice <= once * 1.1, `${once} bytes, then ${twice}`);
  });
});
