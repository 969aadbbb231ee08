import type { HomieBroker } from '../homie/broker';
import { matchAny } from '../homie/pattern';
import { neverSeen } from '../homie/presence';
import { selectKnown } from '../homie/select';
import { refuseLarge } from '../mqtt/publish-packet';
import type { Check } from './check';
import type { JsonObject } from './json';
import { checkKnown } from './known';
import type { ConfigSettings } from './settings';

/** What a patch would do to one device: plain data, secrets masked. */
export interface ConfigCheck extends Omit<Check, 'verdict' | 'steps'> {
  readonly device: string;
  /**
   * As of a {@link Check}, or why nothing would be sent now. `offline`: not there now, and checked against what it
   * published last; `unseen`: nothing is known of it.
   */
  readonly verdict: Check['verdict'] | 'offline' | 'busy' | 'unseen' | 'excluded';
  /** Why, in a sentence. */
  readonly reason: string;
  /** Messages that it takes; each is followed by a reboot. */
  readonly messages: number;
  /** What would be sent in each, secrets masked. */
  readonly steps: readonly { readonly patch: JsonObject; readonly paths: readonly string[] }[];
}

export interface ConfigCheckSummary {
  readonly counts: Partial<Record<ConfigCheck['verdict'], number>>;
  readonly devices: readonly ConfigCheck[];
}

export interface ConfigCheckOptions {
  /** Gives up waiting for what is retained. */
  readonly signal?: AbortSignal;
  /** Ids and patterns of devices that are left alone. */
  readonly exclude?: readonly string[];
}

/**
 * Tells what a patch would do to each device, and sends nothing.
 *
 * @param patch as `readPatch` gives it
 * @throws {HomieError} NO_DEVICE, INVALID_DEVICE_ID, NO_MATCH, STILL_RECEIVING; why there is no connection; the reason of the signal
 */
export async function checkConfig(
  broker: HomieBroker,
  patch: JsonObject,
  devices: readonly string[],
  settings: ConfigSettings,
  { signal, exclude = [] }: ConfigCheckOptions = {},
): Promise<ConfigCheckSummary> {
  const ids = await selectKnown(broker, { devices }, undefined, signal);
  const isExcluded = matchAny(exclude);
  const checks = ids.map((id) => checkDevice(broker, id, patch, settings, isExcluded(id)));
  const counts: ConfigCheckSummary['counts'] = {};
  for (const { verdict } of checks) counts[verdict] = (counts[verdict] ?? 0) + 1;
  return { counts, devices: checks };
}

function checkDevice(
  broker: HomieBroker,
  id: string,
  patch: JsonObject,
  settings: ConfigSettings,
  isExcluded: boolean,
): ConfigCheck {
  const device = broker.registry.get(id);
  const { steps, ...check } = checkKnown(broker, device, patch, settings);
  const [verdict, reason] = ((): [ConfigCheck['verdict'], string] => {
    if (isExcluded) return ['excluded', 'It is excluded.'];
    if (device?.state === undefined) return ['unseen', `It was ${neverSeen(broker, id)}`];
    if (broker.locks.holder(id) !== undefined) return ['busy', 'Another job has this device.'];
    // A patch that may wait for its reboot keeps no corrected one away.
    const locked = broker.locks.refusalOf(id, 'patch');
    if (locked !== undefined) return ['busy', locked.message];
    if (device.state.value !== 'ready') return ['offline', `It is not there now; last seen as ${device.state.value}.`];
    const tooLarge = steps
      .map((step) =>
        refuseLarge(
          broker.status,
          `${broker.baseTopic}${id}/$implementation/config/set`,
          Buffer.byteLength(step.text()),
        ),
      )
      .find((error) => error !== undefined);
    if (tooLarge !== undefined) return ['rejected', `${tooLarge.message} ${tooLarge.hint}`];
    return [check.verdict, reasonOf(check)];
  })();
  return {
    ...check,
    device: id,
    verdict,
    reason,
    messages: steps.length,
    steps: steps.map((step) => ({ patch: step.patch, paths: step.paths })),
  };
}

function reasonOf({
  verdict,
  problems,
  sketch,
  reboots,
}: Pick<Check, 'verdict' | 'problems' | 'sketch' | 'reboots'>): string {
  const [first] = problems;
  const often = reboots === 1 ? 'one message and one reboot' : `${reboots} messages and ${reboots} reboots`;
  switch (verdict) {
    case 'no_change':
      return 'It has all of this already.';
    case 'rejected':
      return `${first?.path ? `${first.path}: ` : ''}${first?.message ?? ''}${problems.length > 1 ? ` (and ${problems.length - 1} more)` : ''}`;
    case 'unknown':
      return `It would be set in ${often}, if the sketch accepts ${sketch.join(', ')}.`;
    case 'set':
      return `It would be set in ${often}.`;
  }
}
