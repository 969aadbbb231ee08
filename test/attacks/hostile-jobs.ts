import type { JobHead } from '../../src/rollout/store/job-file';

const deep = `${'['.repeat(50_000)}${']'.repeat(50_000)}`;
const work = { order: { identity: 'x' }, msg: {}, work: { patch: { name: 'x' }, devices: ['lamp'] } };
export const head = { node: 'ota', scope: 'localhost/homie/', keep: 1e12, work } satisfies JobHead;
export const rest = {
  startedAt: new Date().toISOString(),
  elapsed: 1,
  admitted: true,
  idle: 'no',
  plan: { mode: 'active', proven: 0, failures: 0, soaking: [] },
};

/** The file of a job, of these lines. */
export function lines(...changes: readonly unknown[]): string {
  const all = [{ version: 2 }, ...changes];
  return all.map((change) => `${typeof change === 'string' ? change : JSON.stringify(change)}\n`).join('');
}

/** A file of a job whose lines are as they should be, but for these. */
export function job(...changes: readonly unknown[]): string {
  return lines(['head', head], ['job', rest], ...changes);
}

export const device = (id: unknown, state: unknown = 'queued'): unknown => [
  `device ${JSON.stringify(id)}`,
  { entry: { device: id, state, startedAt: rest.startedAt } },
];

/** Files of jobs that somebody has made to do harm, by what is wrong with them. */
export const hostileJobs: Readonly<Record<string, string>> = {
  'deep JSON': job(`["note x",{"msg":${deep},"devices":[]}]`),
  'deep JSON as its first line': `${deep}\n`,
  'no JSON': job('\u0000\u001B[2J'),
  'a device that is a path': job(device('../../etc/passwd')),
  'a device with a wildcard': job(device('+')),
  'a device that is no text': job(device({ toString: 1 })),
  'a state that is none': job(device('lamp', '__proto__')),
  'a wait that is no number': job([
    `device "lamp"`,
    { entry: { device: 'lamp', state: 'queued', startedAt: rest.startedAt }, since: 'x' },
  ]),
  'a firmware that is a path': lines(['head', { ...head, firmware: '../../secret' }], ['job', rest]),
  'work that is none': lines(['head', { ...head, work: 'x' }], ['job', rest]),
  'work of hostile names': lines(
    `["head",{"node":"ota","scope":"localhost/homie/","keep":1e12,"work":{"order":{"identity":"x"},"msg":{"__proto__":{"polluted":1}},"work":{"__proto__":{"polluted":1},"patch":{"__proto__":{"polluted":1},"\\u0000":1}}}}]`,
    ['job', rest],
  ),
};
