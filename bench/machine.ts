import { spawnSync } from 'node:child_process';
import { cpus, loadavg, totalmem, type as system } from 'node:os';

/** What the figures were measured on. */
export interface Machine {
  readonly cpu: string;
  readonly cores: number;
  /** MiB. */
  readonly memory: number;
  readonly system: string;
  readonly node: string;
  readonly mosquitto: string;
  /** Processes that wanted to run in the minute before, on average. */
  readonly load: number;
}

/** @throws {Error} when mosquitto is not installed */
export function machine(): Machine {
  const { stdout, error } = spawnSync('mosquitto', ['-h'], { encoding: 'utf8' });
  if (error !== undefined)
    throw new Error('mosquitto and mosquitto_pub are needed (Debian: mosquitto, mosquitto-clients).');
  return {
    cpu: cpus()[0]?.model.trim() ?? 'unknown',
    cores: cpus().length,
    memory: Math.round(totalmem() / 1024 / 1024),
    system: system(),
    node: process.version,
    mosquitto: /mosquitto version (\S+)/.exec(stdout)?.[1] ?? 'unknown',
    load: loadavg()[0] ?? 0,
  };
}
