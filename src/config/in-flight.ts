import { HomieError } from '../errors';
import type { HomieBroker } from '../homie/broker';
import type { Device } from '../homie/device';
import { departureOf, givenTo, isOtherDevice, rebootSince, type Departure } from '../homie/elapsed';
import type { OpenEnd } from '../homie/lock-table';
import { hasDisconnected, type DeviceObserver } from '../homie/device-observer';
import type { Change, ConfigReport, Outcome } from '../update/update';
import { judgeUnwatched, lateOutcomeUnwatched, unconfirmed } from '../homie/unwatched';
import type { Check } from './check';
import { changes, compareConfig, shownChanges } from './compare';
import { readFile } from './file';
import { at, type JsonObject } from './json';
import { reportOf } from './report';
import { maskObject } from './secrets';
import type { ConfigSettings } from './settings';
import type { PatchStep } from './patch-step';

/** What must be known to judge, in a later process, a device to which a patch was sent: plain data without secrets. */
export interface PatchInFlight extends Departure {
  /** What it published as its configuration, and what it does when it has taken the patch, secrets masked. */
  readonly before: JsonObject;
  readonly expected: JsonObject;
  /** The paths that are proven when it has. */
  readonly paths: readonly string[];
  /** It has said that it has received the patch. */
  readonly received: boolean;
  /** No more patches are to follow. */
  readonly last: boolean;
  /** It is somewhere else when it has taken the patch. */
  readonly moves: boolean;
  readonly report: ConfigReport;
}

export interface JudgePatchInput {
  readonly broker: HomieBroker;
  readonly device: string;
  readonly flight: PatchInFlight;
  readonly settings: ConfigSettings;
  /** The device can be watched no longer. */
  readonly abandon: AbortSignal;
  readonly report: (change: Change) => void;
  /** Keeps watching after the end: what the device shows then does not change the result. */
  readonly watchOn: (late: Promise<Outcome | undefined>) => void;
}

/** What became of a device. `again`: it has taken this patch, and others are to follow. */
export type PatchInFlightEnd =
  { readonly kind: 'ended'; readonly outcome: Outcome; readonly open?: OpenEnd } | { readonly kind: 'again' };

/** What is known of a device at the moment at which a step of a change is sent to it. */
export function patchInFlightOf(
  device: Device,
  check: Check,
  done: number,
  { secretNames }: ConfigSettings,
): PatchInFlight {
  const steps = check.steps.slice(0, done);
  const step = check.steps[done];
  return {
    ...departureOf(device),
    before: maskObject(step?.before() ?? {}, secretNames),
    expected: maskObject(step?.expected() ?? {}, secretNames),
    paths: step?.provenPaths ?? [],
    received: false,
    last: done + 1 >= check.steps.length,
    moves: step !== undefined && isMove(step),
    report: reportOf(check, { done, taken: steps.flatMap(({ provenPaths }) => provenPaths), lost: [], moved: [] }),
  };
}

/** The same when the device has said that it has received the patch: only a restart after that is for the patch. */
export function receivedFlight(flight: PatchInFlight, device: Device): PatchInFlight {
  return { ...givenTo(flight, device), received: true };
}

/**
 * Judges by what a device publishes as its configuration what became of a patch that was sent to it while it was watched
 * no longer. The caller holds the lock of the device.
 *
 * It has taken the patch when a live uptime shows that it was restarted since, and its configuration holds what was
 * expected; secrets are left out of that. Nothing is sent. A device that may still reboot at the end is watched on.
 */
export async function judgePatchInFlight(input: JudgePatchInput): Promise<PatchInFlightEnd> {
  input.report({ state: 'running', phase: 'verifying', config: input.flight.report });
  return judgeUnwatched(
    input,
    async (observer) => {
      const end = await follow(input, observer);
      if (end.kind === 'ended' && end.open !== undefined) input.watchOn(lateOutcome(input));
      return end;
    },
    (error) => failed(input, error, 'unknown'),
  );
}

function lateOutcome(input: JudgePatchInput): Promise<Outcome | undefined> {
  return lateOutcomeUnwatched(input, (known) => {
    const end = isOtherDevice(input.flight.mac, known) ? undefined : read(input, known);
    return end?.kind === 'again' ? failed(input, new HomieError('NOT_APPLIED.unfinished')).outcome : end?.outcome;
  });
}

async function follow(input: JudgePatchInput, observer: DeviceObserver): Promise<PatchInFlightEnd> {
  const { broker, device, flight, settings } = input;
  const until = observer.clock() + settings.reboot + settings.ready;
  for (;;) {
    const known = broker.registry.get(device);
    const end = known && read(input, known);
    if (end !== undefined) return end;
    if ((await observer.next(until)) !== undefined) continue;
    const isThere = known?.state !== undefined && !hasDisconnected(known.state.value);
    return isThere
      ? failed(input, notTaken(input, known), 'flashed')
      : failed(input, new HomieError(flight.moves ? 'NOT_BACK.moved' : 'NOT_BACK'), 'unknown');
  }
}

/** Why nothing shows that a device which is there has taken the patch. */
function notTaken({ flight, settings }: JudgePatchInput, known: Device): HomieError {
  const reboot = rebootSince(flight, known);
  if (reboot === 'unknown') return unconfirmed(known, settings.reboot + settings.ready);
  if (!flight.received) return new HomieError('NOT_RECEIVED');
  return reboot === 'refuted' ? new HomieError('NOT_APPLIED') : new HomieError('REBOOT_UNPROVEN.patchReceived');
}

/** @returns undefined as long as nothing is known */
function read(input: JudgePatchInput, known: Device): PatchInFlightEnd | undefined {
  const { flight, settings } = input;
  const { state, config } = known;
  if (isOtherDevice(flight.mac, known)) return failed(input, new HomieError('OTHER_DEVICE'), 'unknown');
  if (state?.value !== 'ready' || config === undefined || rebootSince(flight, known) !== 'shown') return undefined;
  const now = readFile(config.value)?.content;
  if (now === undefined) return failed(input, new HomieError('CONFIG_UNREADABLE'));
  const masked = maskObject(now, settings.secretNames);
  const visible = shownChanges(flight.before, flight.expected).length > 0;
  if (!flight.received && changes(flight.before, masked).length === 0) {
    const key = visible ? 'NOT_RECEIVED.previousConfigUnwatched' : 'NOT_RECEIVED.noneShownUnwatched';
    return failed(input, new HomieError(key));
  }
  const { taken, lost } = compareConfig(flight.before, flight.expected, JSON.stringify(masked), settings.secretNames);
  if (lost.length > 0) {
    return failed(input, new HomieError('VALUE_LOST'), undefined, { taken: [...flight.report.taken, ...taken], lost });
  }
  if (!flight.last) return { kind: 'again' };
  const report = { ...flight.report, taken: [...flight.report.taken, ...flight.paths], untaken: [] };
  return { kind: 'ended', outcome: { state: 'succeeded', reboot: 'proven', config: report } };
}

function failed(
  { flight }: JudgePatchInput,
  error: HomieError,
  open?: OpenEnd,
  report: Partial<ConfigReport> = {},
): PatchInFlightEnd & { kind: 'ended' } {
  const config = { ...flight.report, ...report };
  return { kind: 'ended', outcome: { state: 'failed', error, config }, ...(open && { open }) };
}

/** Whether the device has another id or base topic when it has taken a step. */
function isMove(step: PatchStep): boolean {
  const [before, after] = [step.before(), step.expected()];
  return [['device_id'], ['mqtt', 'base_topic']].some((keys) => at(before, keys) !== at(after, keys));
}
