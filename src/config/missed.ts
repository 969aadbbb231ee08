/** A patch that met a device as it fell asleep. */
import { HomieError } from '../errors';
import type { Device } from '../homie/device';
import { isOtherDevice } from '../homie/elapsed';
import type { ConfigReport, Outcome } from '../update/update';
import { valueLost } from './compare';
import type { PatchStep } from './patch-step';

/** What must be known at the next wake of the device. */
export interface MissedPatch {
  /** All of the patch. */
  readonly step: PatchStep;
  /** How often it was sent. */
  readonly sent: number;
  /** When the device was asleep, in ms of `performance.now()`. */
  readonly at: number;
  readonly config: ConfigReport;
  /** `$mac`, where it is known. */
  readonly mac?: string;
}

/** How often a patch is sent at most to a device that falls asleep each time. */
export const MOST_SENT = 3;

/** Why a device fails of which nothing shows whether it took the patch. */
export function stillAsleep(): HomieError {
  return new HomieError('NOT_RECEIVED.stillAsleep');
}

/**
 * Judges a device that is ready again by the configuration that it has published since: a device publishes the file that it
 * has at every connect (seen on homie-esp8266 ba452ea), and the session of a device is clean, so that no patch of before can
 * come to it later.
 *
 * @returns undefined when it has the configuration of before: the patch did not reach it, and may be sent again
 */
export function judgeMissed({ step, at, config, mac }: MissedPatch, known: Device): Outcome | undefined {
  const failed = (error: HomieError, more: Partial<ConfigReport> = {}) => ({
    state: 'failed' as const,
    error,
    config: { ...config, ...more },
  });
  if (isOtherDevice(mac, known)) return failed(new HomieError('OTHER_DEVICE'));
  if (known.config === undefined || known.config.at < at) return failed(stillAsleep());
  const shown = step.shownBy(known.config.value);
  if (shown === undefined) return failed(new HomieError('CONFIG_UNREADABLE'));
  if (shown.isAsBefore) return undefined;
  const { taken, lost } = shown;
  if (lost.length > 0) return { ...failed(valueLost(lost, 'cameBack'), { taken, lost }), reboot: 'unproven' };
  const done = { ...config, taken: step.provenPaths, untaken: [] };
  return { state: 'succeeded', reboot: 'unproven', config: done };
}
