/** Why an image is not sent to a device that does not run it, although nothing is wrong with either. */
import type { HomieBroker } from '../homie/broker';
import { isNamed, type DeviceChoice } from '../homie/select';
import type { Library } from '../library/library';
import type { ImageOrigin } from '../library/choose';
import type { ImageFacts } from '../ota/image';
import type { OtaSettings } from '../ota/settings';
import { phrase, type Text } from '../texts/text';
import type { Outcome } from '../update/update';
import type { History } from './store/history';
import type { Held } from './store/history-record';

/** What the decision depends on whether to send an image to a device that does not run it. */
export interface Known {
  readonly choice: DeviceChoice;
  readonly settings: OtaSettings;
  /** Where the image comes from; undefined if the message contains it. */
  readonly origin?: ImageOrigin | undefined;
  readonly broker: HomieBroker;
  readonly firmware: ImageFacts;
  readonly history: History;
  readonly library: Library;
}

interface HeldInput extends Pick<Known, 'origin' | 'broker' | 'history' | 'library'> {
  readonly firmware: { readonly info: { readonly md5: string } };
  readonly settings: Pick<OtaSettings, 'attempts'>;
}

/**
 * Returns why an image is held back from a device until the user allows it again, and how to allow it; undefined when it
 * may be sent.
 *
 * @param asked whether the user requested this device
 */
export function heldBecause(
  { broker, firmware, settings, origin, history, library }: HeldInput,
  device: string,
  asked = true,
): readonly [why: Text, how: Text] | undefined {
  const [key, { md5 }] = [broker.locks.keyOf(device), firmware.info];
  if (library.isHeld(key, md5)) return [phrase('heldRolledBack'), phrase('held')];
  const held = history.heldBecause(key, md5, settings.attempts, asked);
  // A rollback sends an image that was replaced on purpose, so that does not hold it back.
  if (held === undefined || (held === 'REPLACED' && origin === 'previous')) return undefined;
  return [phrase(reasons[held]), phrase('held')];
}

/**
 * Returns whether an image is held back from a device, whatever the settings of an update: the number of attempts is one
 * of them, so it does not count here.
 */
export function isHeldBack(known: Pick<Known, 'broker' | 'history' | 'library'>, device: string, md5: string): boolean {
  const settings = { attempts: Number.POSITIVE_INFINITY };
  return heldBecause({ ...known, firmware: { info: { md5 } }, settings }, device) !== undefined;
}

/** Allows an image that is held back from a device to be sent again. */
export function allowAgain(
  { broker, history, library }: Pick<Known, 'broker' | 'history' | 'library'>,
  device: string,
  md5: string,
): void {
  const key = broker.locks.keyOf(device);
  history.allowAgain(key, md5);
  void library.allowAgain(key, md5);
}

/** How a device ends that is excluded, by the settings of the job or by a user. */
export const excluded = { state: 'skipped', reason: 'excluded' } as const satisfies Outcome;

/** Returns whether a user has excluded a device from updates, and this update does not name it by its full id. */
export function exclusionApplies(
  { broker, choice, library }: Pick<Known, 'broker' | 'choice' | 'library'>,
  device: string,
): boolean {
  return library.isExcluded(broker.locks.keyOf(device)) && !isNamed(choice, device);
}

/**
 * Returns why an image is not sent to a device after failures stopped a rollout of it; undefined when no stop applies,
 * as for a device that is named by its full id.
 */
export function stoppedBecause({ broker, firmware, choice, history }: Known, device: string): Text | undefined {
  const stop = history.stopOf(broker.locks.scope, firmware.info.md5);
  if (stop === undefined || isNamed(choice, device)) return undefined;
  return phrase('rolloutStopped');
}

const reasons = {
  OLD_FIRMWARE: 'heldOldFirmware',
  OTHER_FIRMWARE: 'heldOtherFirmware',
  NOT_BACK: 'heldNotBack',
  ATTEMPTS: 'heldAttempts',
  REPLACED: 'heldReplaced',
} as const satisfies Record<Held, string>;
