import type { DeviceUpdates } from '../devices/device-updates';
import type { DeviceJob } from '../devices/job-updates';
import type { DeviceLocks } from '../homie/lock';
import type { Update } from '../update/update';
import type { Why } from '../update/why';
import type { JobCard } from './job-card';
import type { KnownJob, KnownJobs } from './known-jobs';

/** Returns a job as its devices see it. */
export function deviceJob(own: KnownJob, known: KnownJobs, locks: DeviceLocks): DeviceJob {
  const { job } = own;
  return {
    change: changeOf(own),
    isEnded: job.isEnded,
    halted: job.halted,
    ids: job.ids,
    size: job.size,
    updateOf: (device) => job.updateOf(device),
    whyOf: (update) => whyOf(update, own, known, locks),
    mayRetry: (device) => job.mayRetry(device) && known.isLastFor(job, device),
  };
}

/** Reports to the devices of a broker what changes in a job. */
export function followJob({ job, work }: KnownJob, updates: DeviceUpdates): void {
  const changed = (devices: readonly string[]): void => void updates.emit('changed', devices);
  job.on('change', changed);
  job.on('steered', () => changed([]));
  job.on('idle', () => changed([]));
  changed([...job.ids]);
  if (work.brings !== 'image') return;
  const succeeded = (update: Update): void => void (update.state === 'succeeded' && updates.emit('succeeded', update));
  job.on('result', succeeded);
  job.on('progress', (update) => {
    if (update.late === true) succeeded(update);
  });
}

/** Returns what a job changes. */
export function changeOf({ work }: KnownJob): JobCard['change'] {
  return work.brings === 'image' ? 'firmware' : 'configuration';
}

/** Returns why a device waits in a job, or until when it is observed. */
function whyOf(update: Update, { job, work }: KnownJob, known: KnownJobs, locks: DeviceLocks): Why | undefined {
  const why = job.waiting.ofDevice(update);
  if (why?.kind !== 'busy') return why;
  const holder = locks.holder(update.device);
  const by = holder === undefined ? undefined : known.get(holder);
  if (by !== undefined) return { ...why, change: changeOf(by) };
  return locks.refusalOf(update.device, work.brings, job.id)?.code === 'REBOOT_PENDING' ? { kind: 'reboot' } : why;
}
