/** Collects the facts of a bug report: plain data. */
import { configDefaults } from '../config/settings';
import { takeStock } from '../devices/inventory';
import { HomieError } from '../errors';
import type { HomieBroker } from '../homie/broker';
import { runningFirmware, type Device, type Fact } from '../homie/device';
import type { Staged } from '../homie/lock-table';
import { deviceUnknown } from '../homie/presence';
import { checkDeviceId } from '../homie/topics';
import type { StoredImage } from '../library/stored-image';
import type { ConnectionFailure, ConnectionStatus } from '../mqtt/connection';
import type { BrokerAddress } from '../mqtt/options';
import { otaDefaults } from '../ota/settings';
import { Queue } from '../rollout/queue';
import { rolloutDefaults } from '../rollout/settings';
import { endOf } from '../rollout/store/history';
import type { ImageRecord, Remembered } from '../rollout/store/history-record';
import { summarize, type FirmwareName, type Summary } from '../update/update';
import { maskSettings } from './masking';

/** How many jobs a report describes, unless it is about one of them, and how many results from before. */
const MAX_JOBS = 3;
const MAX_RESULTS = 5;

/** What a report is about. */
export interface Subject {
  /** Ids of devices. */
  readonly devices?: readonly string[];
  /** The id of a job. Without it, the last jobs of the devices, or of the broker. */
  readonly job?: string;
}

/** The facts of a report. Errors still have their values, which are masked only when the report is written. */
export interface ReportFacts {
  /** ISO 8601. */
  readonly at: string;
  /** Names of software and their versions. */
  readonly versions: Readonly<Record<string, string>>;
  readonly broker: BrokerFacts;
  readonly devices: readonly DeviceFacts[];
  /** Newest first. */
  readonly jobs: readonly JobFacts[];
  /** Results in the history that are of none of these jobs, newest first. */
  readonly history: readonly Remembered[];
}

export interface BrokerFacts {
  readonly address: BrokerAddress;
  readonly status: ConnectionStatus;
  readonly lastFailure: ConnectionFailure | undefined;
  readonly baseTopic: string;
  /** Whether the retained messages have arrived. */
  readonly isSettled: boolean;
  /** How many devices are in each state. */
  readonly counts: Readonly<Record<string, number>>;
  /** Whether the maximum number of devices is reached. */
  readonly isFull: boolean;
}

type Published = 'homie' | 'implementation' | 'implementationVersion' | 'otaStatus' | 'signal' | 'uptime' | 'interval';

export interface DeviceFacts {
  readonly id: string;
  readonly state: Device['state'];
  readonly firmware: FirmwareName;
  readonly published: { readonly [Name in Published]: Fact<string | number> | undefined };
  readonly otaEnabled: boolean | undefined;
  readonly sleeps: boolean;
  /** ISO 8601. */
  readonly seen: string | undefined;
  /** The job that has the device. */
  readonly holder: string | undefined;
  /** What the device may still have to boot. */
  readonly pending: Staged | undefined;
  readonly isExcluded: boolean;
  readonly canRollBack: boolean;
  /** The image on offer for the device, and how it relates to what the device runs. */
  readonly offer: (FirmwareName & { readonly state: string; readonly isStopped: boolean }) | undefined;
  readonly images: readonly (ImageRecord & { readonly md5: string; readonly wasRolledBack: boolean })[];
}

export interface JobFacts {
  readonly id: string;
  readonly change: 'firmware' | 'configuration';
  readonly to?: FirmwareName | undefined;
  /** The paths that a patch sets. */
  readonly paths?: readonly string[] | undefined;
  /** ISO 8601. */
  readonly startedAt: string;
  readonly summary: Omit<Summary, 'devices'> & { readonly devices: readonly Remembered[] };
  /** Settings that are not the default; undefined if the job is known from the history only. */
  readonly settings?: readonly string[];
}

/**
 * Collects the facts of a report.
 *
 * @throws {HomieError} INVALID_DEVICE_ID, DEVICE_UNKNOWN, UNKNOWN_JOB
 */
export function collectFacts(
  broker: HomieBroker,
  { devices: ids = [], job }: Subject,
  versions: ReportFacts['versions'],
): ReportFacts {
  const devices = ids.map((id) => {
    const device = broker.registry.get(checkDeviceId(id));
    if (device === undefined) throw deviceUnknown(broker, id);
    return device;
  });
  const jobs = job === undefined ? lastJobs(broker, ids) : [jobOf(broker, job)];
  const isElsewhere = (result: Remembered): boolean =>
    (ids.length === 0 || ids.includes(result.device)) && !jobs.some(({ id }) => id === result.job);
  const { history } = Queue.of(broker);
  return {
    at: new Date().toISOString(),
    versions,
    broker: brokerFacts(broker),
    devices: devices.map((device) => deviceFacts(broker, device)),
    jobs,
    history: history.recent(broker.locks.scope, isElsewhere).slice(0, MAX_RESULTS),
  };
}

function brokerFacts(broker: HomieBroker): BrokerFacts {
  const { connection, status, shownBaseTopic, isSettled, registry } = broker;
  const { address, lastFailure } = connection;
  const { counts } = takeStock(broker);
  return { address, status, lastFailure, baseTopic: shownBaseTopic, isSettled, counts, isFull: registry.isFull };
}

function deviceFacts(broker: HomieBroker, device: Device): DeviceFacts {
  const { locks } = broker;
  const { library, history, updates } = Queue.of(broker);
  const { id, state, homie, implementation, implementationVersion, otaStatus, signal, uptime, interval } = device;
  const key = locks.keyOf(id);
  const { seenAt, sleeps = false, otaEnabled } = device;
  const offer = updates.offerOf(device);
  return {
    id,
    state,
    firmware: runningFirmware(device),
    published: { homie, implementation, implementationVersion, otaStatus, signal, uptime, interval },
    otaEnabled: otaEnabled?.value,
    sleeps,
    seen: seenAt === undefined ? undefined : new Date(Date.now() - performance.now() + seenAt).toISOString(),
    holder: locks.holder(id),
    pending: locks.pending(id),
    isExcluded: updates.isExcluded(id),
    canRollBack: updates.canRollBack(device),
    offer: offer && {
      ...namesOf(offer.image),
      state: offer.state,
      isStopped: history.stopOf(locks.scope, offer.image.md5) !== undefined,
    },
    images: history.imagesOf(key).map(([md5, image]) => ({ ...image, md5, wasRolledBack: library.isHeld(key, md5) })),
  };
}

function namesOf({ name, version, md5, size }: StoredImage): FirmwareName {
  return { name, ...(version !== undefined && { version }), checksum: md5, size };
}

type Known = ReturnType<Queue['known']>[number];

/** Returns the last jobs that have one of these devices, or of all if there are none, newest first. */
function lastJobs(broker: HomieBroker, ids: readonly string[]): JobFacts[] {
  const isMeant = ({ job }: Known): boolean => ids.length === 0 || ids.some((id) => job.has(id));
  return Queue.of(broker).known().filter(isMeant).slice(-MAX_JOBS).toReversed().map(knownJob);
}

/** @throws {HomieError} UNKNOWN_JOB */
function jobOf(broker: HomieBroker, id: string): JobFacts {
  const queue = Queue.of(broker);
  const known = queue.known().find(({ job }) => job.id === id);
  if (known !== undefined) return knownJob(known);
  const results = queue.history.recent(broker.locks.scope, ({ job }) => job === id);
  const [first] = results;
  if (first === undefined) throw new HomieError('UNKNOWN_JOB');
  const start = Math.min(...results.map(({ startedAt }) => Date.parse(startedAt)));
  const { to } = first;
  return {
    id,
    change: to === undefined ? 'configuration' : 'firmware',
    to,
    startedAt: new Date(start).toISOString(),
    summary: summarize(id, results, Math.max(...results.map(endOf)) - start),
  };
}

function knownJob({ job, work }: Known): JobFacts {
  const isUpdate = work.brings === 'image';
  const { settings, rollout }: { settings?: object; rollout?: object } = work.wish;
  const defaults = { ...(isUpdate ? otaDefaults : configDefaults), ...rolloutDefaults };
  return {
    id: job.id,
    change: isUpdate ? 'firmware' : 'configuration',
    to: work.to,
    paths: work.paths,
    startedAt: new Date(job.startedAt).toISOString(),
    summary: job.summary(),
    settings: maskSettings({ ...settings, ...rollout }, defaults),
  };
}
