/** Judges a device that fell asleep as a patch was sent to it. */
import { HomieError } from '../errors';
import type { Device } from '../homie/device';
import { isOtherDevice } from '../homie/elapsed';
import type { ConfigReport, Outcome } from '../update/update';
import { valueLost } from './compare';
import type { PatchStep } from './patch-step';

/** What is needed to judge the device at its next wake. */
export interface MissedPatch {
  /** The whole patch in one step. */
  readonly step: PatchStep;
  /** How often the patch was sent. */
  readonly sent: number;
  /** When the device was found asleep, in ms of `performance.now()`. */
  readonly at: number;
  readonly config: ConfigReport;
  /** `$mac`, if known. */
  readonly mac?: string;
}

/** Maximum number of times that a patch is sent to a device that falls asleep each time. */
export const MOST_SENT = 3;

/** Returns the error for a sleeping device if nothing shows whether it took the patch. */
export function stillAsleep(): HomieError {
  return new HomieError('NOT_RECEIVED.stillAsleep');
}

/**
 * Judges a device that is ready again by the configuration that it has published since. A device publishes its file at
 * every connect (seen on homie-esp8266 ba452ea), and its MQTT session is clean, so an earlier patch cannot reach it
 * later.
 *
 * @returns undefined if the configuration is unchanged: the patch did not reach the device, and may be sent again
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
