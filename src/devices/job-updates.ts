/** The jobs of a broker as its devices see them. */
import { isFinal, type Update } from '../update/update';
import type { Why } from '../update/why';

/** A job of some devices. */
export interface DeviceJob {
  readonly change: 'firmware' | 'configuration';
  readonly isEnded: boolean;
  /** `stopped`: it goes on only when somebody resumes it. */
  readonly halted: 'paused' | 'stopped' | undefined;
  /** The ids of its devices, and how many they are. */
  readonly ids: Iterable<string>;
  readonly size: number;
  readonly updateOf: (device: string) => Update | undefined;
  /** Returns why a device waits. */
  readonly whyOf: (update: Update) => Why | undefined;
  /** Returns whether a device can be retried in this job. */
  readonly mayRetry: (device: string) => boolean;
}

/** The update or configuration change of a device in a job. */
export interface DeviceJobUpdate {
  readonly update: Update;
  readonly job: DeviceJob;
}

/** Returns whether a job has a device now: it serves the device, or goes on with it without a user. */
export function isUnderWay({ update: { state }, job: { halted } }: DeviceJobUpdate): boolean {
  return state === 'running' || (!isFinal(state) && halted !== 'stopped');
}

/**
 * Returns the last update or configuration change of each of these devices, even if its job has ended. One that runs
 * comes before others, and one that waits before those that have ended.
 *
 * @param jobs from old to new
 */
export function lastUpdates(jobs: Iterable<DeviceJob>, ids: ReadonlySet<string>): Map<string, DeviceJobUpdate> {
  const last = new Map<string, DeviceJobUpdate>();
  for (const job of jobs) {
    for (const id of job.size < ids.size ? job.ids : ids) {
      const update = ids.has(id) ? job.updateOf(id) : undefined;
      if (update === undefined) continue;
      const [found, other] = [{ update, job }, last.get(id)];
      if (other === undefined || comesBefore(found, other)) last.set(id, found);
    }
  }
  return last;
}

/** @param other that of a job before */
function comesBefore(found: DeviceJobUpdate, other: DeviceJobUpdate): boolean {
  const [rank, otherRank] = [rankOf(found), rankOf(other)];
  return rank === otherRank ? found.update.startedAt >= other.update.startedAt : rank > otherRank;
}

function rankOf(found: DeviceJobUpdate): number {
  if (found.update.state === 'running') return 2;
  return isUnderWay(found) ? 1 : 0;
}
