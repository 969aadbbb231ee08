import { bringPatch } from '../../src/config/exchange';
import { readyAt } from '../../src/config/check-device';
import { readPatch } from '../../src/config/patch';
import { configDefaults, type ConfigSettings } from '../../src/config/settings';
import { withDeadline } from '../../src/deadline';
import type { Change, Outcome } from '../../src/update/update';
import { serving, type Lab } from '../ota/lab';
import { HANG_LIMIT } from '../support/limits';

export { withLab } from '../ota/lab';
import { untilTrue } from '../support/until-true';

/** Deadlines for tests in which what the exchange waits for comes. */
export const patient: ConfigSettings = {
  ...configDefaults,
  allowRisky: true,
  sending: HANG_LIMIT,
  received: HANG_LIMIT,
  reboot: HANG_LIMIT,
  ready: HANG_LIMIT,
};

/** Deadlines for tests in which a response never comes. */
export const quick = { received: 400, reboot: 600 };

/** For devices that are awake when the patch is sent. */
export const missesNothing = { before: undefined, missed: () => undefined };

interface Brought {
  readonly outcome: Outcome;
  readonly changes: readonly Change[];
  /** What comes after the end; undefined when nothing is watched on. */
  readonly late: Promise<Outcome | undefined> | undefined;
}

/** Brings a patch onto the device of the lab as a job would. */
export async function bring(
  lab: Pick<Lab, 'broker' | 'device'>,
  patch: unknown,
  settings: Partial<ConfigSettings> = {},
  options: { job?: string; cancel?: AbortSignal; abandon?: AbortSignal; onChange?: (change: Change) => void } = {},
): Promise<Brought> {
  const changes: Change[] = [];
  const report = (change: Change): void => {
    changes.push(change);
    onChange?.(change);
  };
  const device = lab.device.id;
  const { onChange, ...hooks } = options;
  const job = { ...serving(lab.broker, device), ...missesNothing, ...hooks };
  let late: Promise<Outcome | undefined> | undefined;
  lab.broker.locks.acquire(device, job.job, 'patch');
  const watch = lab.broker.watch(device);
  try {
    let outcome: Outcome | undefined;
    report({ state: 'waiting' });
    while (outcome === undefined) {
      const at = readyAt(lab.broker, device);
      if (at === undefined || at > performance.now()) {
        const stop = AbortSignal.any([job.cancel, job.abandon]);
        await withDeadline(HANG_LIMIT, stop, (signal) => watch.next(at ?? Number.POSITIVE_INFINITY, signal));
        continue;
      }
      outcome = await bringPatch({
        ...job,
        patch: readPatch(patch),
        settings: { ...patient, ...settings },
        report,
        watchOn: (promise) => {
          late = promise;
        },
      });
    }
    return { outcome, changes, late };
  } finally {
    watch.close();
    lab.broker.locks.release(device, job.job);
  }
}

/** Resolves when the registry holds what is looked for. */
export async function until(lab: Lab, condition: () => boolean): Promise<void> {
  await untilTrue(lab.broker.registry, 'event', condition);
}
