/** Checks a patch against what is known of one or several devices, before anything is sent. */
import { saysOf } from '../errors';
import type { HomieBroker } from '../homie/broker';
import { busyBecause, checkEach, EXCLUDED, type CheckOptions } from '../homie/checks';
import type { Device } from '../homie/device';
import { dialectOf } from '../homie/dialect';
import { completeAt, decidableAt, incomplete, isReady, neverSeen } from '../homie/presence';
import { selectKnown } from '../homie/select';
import { showableAt } from '../homie/uptime';
import { refuseLarge } from '../mqtt/publish-packet';
import { inEnglish, phrase, type Value } from '../texts/text';
import { checkPatch, type Check } from './check';
import type { JsonObject } from './json';
import { problem, problemError, problemOf, reportProblem, type Problem, type ProblemReport } from './problem';
import type { ConfigSettings } from './settings';
import { reportRisk, reportWarning, type RiskReport, type WarningReport } from './warnings';

/** What there is to say about a value of a configuration, for any language. */
export interface Remark {
  /** Empty if it is about the whole. */
  readonly path: string;
  /** The code of a problem or a warning. */
  readonly code?: string;
  readonly says: readonly Value[];
}

/** What a patch would do to one device: plain data, secrets masked. */
export interface ConfigCheck extends Omit<Check, 'verdict' | 'problems' | 'risks' | 'warnings' | 'steps'> {
  readonly device: string;
  readonly problems: readonly ProblemReport[];
  readonly risks: readonly RiskReport[];
  readonly warnings: readonly WarningReport[];
  /**
   * The verdict of a {@link Check}, or why nothing would be sent now. `offline`: the device is not ready, and was
   * checked against its last published configuration. `unseen`: nothing is known of the device.
   */
  readonly verdict: Check['verdict'] | 'offline' | 'busy' | 'unseen' | 'excluded';
  /** The reason, in English. */
  readonly reason: string;
  /** The same texts for any language. */
  readonly says: {
    readonly reason: readonly Value[];
    readonly problems: readonly Remark[];
    readonly risks: readonly Remark[];
    readonly warnings: readonly Remark[];
  };
  /** Number of messages. A reboot follows each. */
  readonly messages: number;
  /** What each message would contain, secrets masked. */
  readonly steps: readonly { readonly patch: JsonObject; readonly paths: readonly string[] }[];
}

export interface ConfigCheckSummary {
  readonly counts: Partial<Record<ConfigCheck['verdict'], number>>;
  readonly devices: readonly ConfigCheck[];
}

/**
 * Checks what a patch would do to each device. Sends nothing.
 *
 * @param patch as returned by `readPatch`
 * @throws {HomieError} NO_DEVICE, INVALID_DEVICE_ID, NO_MATCH, STILL_RECEIVING; why there is no connection; the reason
 * of the signal
 */
export async function checkConfig(
  broker: HomieBroker,
  patch: JsonObject,
  devices: readonly string[],
  settings: ConfigSettings,
  { signal, exclude = [] }: CheckOptions = {},
): Promise<ConfigCheckSummary> {
  const ids = await selectKnown(broker, { devices }, undefined, signal);
  return checkEach(ids, exclude, (id, isExcluded) => checkDevice(broker, id, patch, settings, isExcluded));
}

function checkDevice(
  broker: HomieBroker,
  id: string,
  patch: JsonObject,
  settings: ConfigSettings,
  isExcluded: boolean,
): ConfigCheck {
  const device = broker.registry.get(id);
  const { steps, ...check } = checkDevicePatch(broker, device, patch, settings);
  const [verdict, ...reason] = ((): [ConfigCheck['verdict'], ...Value[]] => {
    if (isExcluded) return ['excluded', EXCLUDED];
    if (device?.state === undefined) return ['unseen', phrase('deviceWas', { seen: neverSeen(broker, id) })];
    // A patch whose reboot may be pending does not block a corrected one.
    const busy = busyBecause(broker, id, 'patch');
    if (busy !== undefined) return ['busy', busy];
    const { value: state } = device.state;
    if (state !== 'ready') return ['offline', phrase('deviceNotReady', { state })];
    const tooLarge = steps
      .map((step) =>
        refuseLarge(
          broker.status,
          `${broker.baseTopic}${id}/$implementation/config/set`,
          Buffer.byteLength(step.text()),
        ),
      )
      .find((error) => error !== undefined);
    if (tooLarge !== undefined) return ['rejected', ...saysOf(tooLarge)];
    return [check.verdict, reasonOf(check)];
  })();
  return {
    ...check,
    device: id,
    verdict,
    reason: reason.map(inEnglish).join(' '),
    problems: check.problems.map(reportProblem),
    risks: check.risks.map(reportRisk),
    warnings: check.warnings.map(reportWarning),
    says: {
      reason,
      problems: check.problems.map(({ path, code, error }) => ({ path, code, says: saysOf(error) })),
      risks: check.risks.map(({ path, text }) => ({ path, says: [text] })),
      warnings: check.warnings.map(({ path, code, text, advice }) => ({ path, code, says: [text, advice] })),
    },
    messages: steps.length,
    steps: steps.map((step) => ({ patch: step.patch, paths: step.paths })),
  };
}

function reasonOf({
  verdict,
  problems,
  sketch,
  reboots,
}: Pick<Check, 'verdict' | 'problems' | 'sketch' | 'reboots'>): Value {
  const [first] = problems;
  const steps = reboots === 1 ? phrase('oneStep') : phrase('manySteps', { count: reboots });
  switch (verdict) {
    case 'no_change':
      return phrase('hasAllValues');
    case 'rejected':
      return first === undefined ? '' : problemError(first, problems.length - 1).text;
    case 'unknown':
      return phrase('wouldSetIf', { steps, paths: sketch });
    case 'set':
      return phrase('wouldSet', { steps });
  }
}

/** Checks a patch against the configuration that the device has published, and against the ids of the other devices. */
export function checkDevicePatch(
  broker: HomieBroker,
  device: Device | undefined,
  patch: JsonObject,
  settings: ConfigSettings,
): Check {
  const lack = device && lackOf(broker, device);
  const others = [...broker.registry.devices.values()].filter((other) => !isLeftover(other, device));
  return checkPatch({
    ...settings,
    ...(lack && { lack }),
    config: device?.config?.value,
    patch,
    mac: device?.mac?.value,
    dialect: dialectOf(device),
    unconfirmed: device === undefined ? [] : unconfirmedPatches(broker, device.id),
    otherDeviceIds: others.map(({ id }) => id),
  });
}

/**
 * Returns the problem if nothing can be sent to a ready device because it has not published something that is needed.
 */
function lackOf(broker: HomieBroker, { id, state, config }: Device): Problem | undefined {
  const lack = incomplete(broker, id);
  if (lack !== undefined) return problemOf(lack);
  if (state?.value !== 'ready' || config !== undefined) return undefined;
  return problem('CONFIG_UNKNOWN.notPublished', [], { id });
}

/**
 * Returns from when on a patch can be sent to a ready device with a known configuration, in ms of `performance.now()`.
 * Right after a boot, another reboot could not be proven. If a ready device publishes too little, returns from when on
 * that is certain. Returns undefined if the device is not there.
 */
export function readyAt(broker: HomieBroker, id: string): number | undefined {
  const known = broker.registry.get(id);
  if (known?.state === undefined || !isReady(broker, id)) return decidableAt(broker, id);
  return known.config === undefined ? completeAt(broker, known.state.at) : showableAt(known, performance.now());
}

/** Returns whether `other` is the device itself, or what it left behind under another id. */
export function isLeftover(other: Device, device: Device | undefined): boolean {
  if (device === undefined) return false;
  if (other.id === device.id) return true;
  return other.state?.value !== 'ready' && other.mac !== undefined && other.mac.value === device.mac?.value;
}

/** Maximum number of unconfirmed patches. Each one doubles the number of files that the device may have. */
const MOST = 4;

const known = new WeakMap<HomieBroker, Map<string, readonly JsonObject[]>>();

/** Remembers a patch that the device may have either refused or written. */
export function rememberUnconfirmed(broker: HomieBroker, device: string, patch: JsonObject): void {
  const devices = known.get(broker) ?? new Map<string, readonly JsonObject[]>();
  known.set(broker, devices);
  devices.set(device, [...(devices.get(device) ?? []), patch]);
}

/**
 * Returns the patches that the device may have refused or written; `unknown` if this process does not know them, or if
 * there are too many.
 */
function unconfirmedPatches(broker: HomieBroker, device: string): readonly JsonObject[] | 'unknown' {
  const devices = known.get(broker);
  if (!broker.locks.isRebootPending(device)) {
    devices?.delete(device);
    return [];
  }
  const patches = devices?.get(device) ?? [];
  return patches.length === 0 || patches.length > MOST ? 'unknown' : patches;
}
