import { HomieError } from '../errors';
import type { Device } from '../homie/device';
import { dialectOf } from '../homie/dialect';
import { departureOf, givenTo, isOtherDevice, rebootSince, type Departure } from '../homie/elapsed';
import type { OpenEnd } from '../homie/lock-table';
import { hasDisconnected, type DeviceObserver } from '../homie/device-observer';
import type { ConfigReport, Outcome } from '../update/update';
import type { Serving } from '../homie/serving';
import { judgeUnwatched, lateOutcomeUnwatched, unconfirmed } from '../homie/unwatched';
import type { Check } from './check';
import { changes, compareConfig, sameNumber, shownChanges } from './compare';
import { readFile } from './file';
import { at, type JsonObject } from './json';
import { reportOf } from './report';
import { maskObject } from './secrets';
import type { ConfigSettings } from './settings';
import type { PatchStep } from './patch-step';

/** What a later process needs to judge a device to which a patch was sent. Plain data without secrets. */
export interface PatchInFlight extends Departure {
  /** The configurations published before the patch and expected after it, secrets masked. */
  readonly before: JsonObject;
  readonly expected: JsonObject;
  /** The paths that are proven once the device has taken the patch. */
  readonly paths: readonly string[];
  /** Whether the device has confirmed that it received the patch. */
  readonly received: boolean;
  /** Whether this is the last patch of the change. */
  readonly last: boolean;
  /** Whether the patch moves the device to another address. */
  readonly moves: boolean;
  readonly report: ConfigReport;
}

export interface JudgePatchInput extends Pick<Serving, 'broker' | 'device' | 'abandon' | 'report' | 'watchOn'> {
  readonly flight: PatchInFlight;
  readonly settings: ConfigSettings;
}

/** The verdict on a device. `again`: the device has taken this patch, and more patches follow. */
export type PatchInFlightEnd =
  { readonly kind: 'ended'; readonly outcome: Outcome; readonly open?: OpenEnd } | { readonly kind: 'again' };

/**
 * Returns what is known of a device at the moment at which a step of a change is sent to it.
 *
 * @param done number of steps that are proven, which is the index of the step that is sent
 */
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

/** Returns the record once the device has confirmed receipt. Only a restart after that moment applies the patch. */
export function receivedFlight(flight: PatchInFlight, device: Device): PatchInFlight {
  return { ...givenTo(flight, device), received: true };
}

/**
 * Judges a device that was sent a patch and then no longer watched, by the configuration that it publishes. The caller
 * holds the lock of the device.
 *
 * The device has taken the patch when a live uptime shows that it has restarted since, and its configuration is as
 * expected, not counting secrets. Sends nothing. Continues to watch a device that may still reboot at the end.
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

/** Returns why nothing shows that a connected device has taken the patch. */
function notTaken({ flight, settings }: JudgePatchInput, known: Device): HomieError {
  const reboot = rebootSince(flight, known);
  if (reboot === 'unknown') return unconfirmed(known, settings.reboot + settings.ready);
  if (!flight.received) return new HomieError('NOT_RECEIVED');
  return reboot === 'refuted' ? new HomieError('NOT_APPLIED') : new HomieError('REBOOT_UNPROVEN.patchReceived');
}

/** Returns the verdict; undefined as long as the device shows nothing. */
function read(input: JudgePatchInput, known: Device): PatchInFlightEnd | undefined {
  const { flight, settings } = input;
  const { state, config } = known;
  if (isOtherDevice(flight.mac, known)) return failed(input, new HomieError('OTHER_DEVICE'), 'unknown');
  if (state?.value !== 'ready' || config === undefined || rebootSince(flight, known) !== 'shown') return undefined;
  const now = readFile(config.value)?.content;
  if (now === undefined) return failed(input, new HomieError('CONFIG_UNREADABLE'));
  const masked = maskObject(now, settings.secretNames);
  const { precision } = dialectOf(known).config;
  const visible = shownChanges(flight.before, flight.expected, precision).length > 0;
  if (!flight.received && changes(flight.before, masked, sameNumber(precision)).length === 0) {
    const key = visible ? 'NOT_RECEIVED.previousConfigUnwatched' : 'NOT_RECEIVED.noneShownUnwatched';
    return failed(input, new HomieError(key));
  }
  const text = JSON.stringify(masked);
  const { taken, lost } = compareConfig(flight.before, flight.expected, text, precision, settings.secretNames);
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

/** Whether a step gives the device another id or base topic. */
function isMove(step: PatchStep): boolean {
  const [before, after] = [step.before(), step.expected()];
  return [['device_id'], ['mqtt', 'base_topic']].some((keys) => at(before, keys) !== at(after, keys));
}
