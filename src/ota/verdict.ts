import { HomieError } from '../errors';
import type { Advertisement, DeviceObserver } from '../homie/device-observer';

/**
 * Returns which firmware a device reports: the image, the one it ran before, or another. The image wins if both are the
 * same, as in a forced reinstallation.
 *
 * @param checksum `$fw/checksum`
 * @param expected every checksum that a device running the image may report
 * @param before `$fw/checksum` before the publish
 */
export function identify(
  checksum: string,
  expected: ReadonlySet<string>,
  before: string | undefined,
): 'new' | 'old' | 'other' {
  if (expected.has(checksum)) return 'new';
  return checksum === before ? 'old' : 'other';
}

/** What a connect after the publish shows. */
export interface Return {
  readonly firmware: 'new' | 'old' | 'other';
  /** The checksum differs from the one before the publish. */
  readonly changed: boolean;
  /** From the uptime: `open` if it neither shows a reboot nor rules one out, `unknown` if none came. */
  readonly reboot: 'shown' | 'refuted' | 'open' | 'unknown';
  /** The connect was seen live, not reconstructed from retained topics. */
  readonly live: boolean;
  /** The device had reported that the image is flashed. */
  readonly flashed: boolean;
  /** The device is known to send statistics. */
  readonly statistics: boolean;
}

/**
 * What a return means.
 *
 * - `succeeded`: the image runs; `reboot` says whether an uptime also shows the reboot
 * - `reconnected`: the connection was lost, and no reboot is shown
 * - `half_dead`: the device is ready with the old firmware and without statistics, as after a drop in the middle of a
 *   transfer
 * - `rebooted`: the device restarted with the previous firmware, and had not reported that the image was flashed
 * - `failed`: with this code
 */
export type Verdict =
  | { readonly kind: 'succeeded'; readonly reboot: 'proven' | 'unproven' }
  | { readonly kind: 'reconnected' | 'half_dead' | 'rebooted' }
  | {
      readonly kind: 'failed';
      readonly code: 'OLD_FIRMWARE' | 'OTHER_FIRMWARE' | 'REBOOT_UNPROVEN' | 'UNCONFIRMED';
      readonly reboot: 'proven' | 'unproven';
    };

/** Judges a return. Only what was seen counts as proven. */
export function judge(back: Return): Verdict {
  const { firmware, changed, reboot, live } = back;
  const shown = reboot === 'shown' ? 'proven' : 'unproven';
  if (!live && firmware !== 'old' && (reboot === 'unknown' || (reboot === 'refuted' && changed))) {
    return { kind: 'failed', code: 'UNCONFIRMED', reboot: shown };
  }
  switch (firmware) {
    case 'other':
      return { kind: 'failed', code: 'OTHER_FIRMWARE', reboot: shown };
    case 'new':
      // A checksum that changed proves itself: the device computes it when it boots.
      return changed ? { kind: 'succeeded', reboot: shown } : judgeSame(back);
    case 'old':
      return judgeOld(back);
  }
}

/** Judges a device that already ran the image before. */
function judgeSame(back: Return): Verdict {
  const { reboot, flashed, statistics } = back;
  if (reboot === 'shown') return flashed ? { kind: 'succeeded', reboot: 'proven' } : { kind: 'rebooted' };
  if (reboot === 'unknown' && !statistics) return { kind: 'failed', code: 'REBOOT_UNPROVEN', reboot: 'unproven' };
  return unshown(back);
}

function judgeOld(back: Return): Verdict {
  const { reboot, flashed } = back;
  if (reboot !== 'shown') return unshown(back);
  return flashed ? { kind: 'failed', code: 'OLD_FIRMWARE', reboot: 'proven' } : { kind: 'rebooted' };
}

/** Judges a connect that no uptime shows to be a reboot: without an uptime, it looks like one into the old firmware. */
function unshown({ reboot, flashed }: Return): Verdict {
  return { kind: reboot === 'unknown' && !flashed ? 'half_dead' : 'reconnected' };
}

/** What is known of a device from before an image is published, and of the transfer since. */
export interface Expectation extends Pick<Return, 'flashed' | 'statistics'> {
  /** Every checksum that a device running the image may report. */
  readonly expected: ReadonlySet<string>;
  /** `$fw/checksum` before the publish. */
  readonly before: string | undefined;
}

/** Judges the return of a device; `checksum` is what it reports now. */
export function judgeReturn(
  checksum: string,
  { uptime, live }: Advertisement,
  observer: DeviceObserver,
  { expected, before, ...known }: Expectation,
): Verdict {
  const firmware = identify(checksum, expected, before);
  return judge({ firmware, changed: checksum !== before, reboot: observer.reboot(uptime), live, ...known });
}

/**
 * Returns why a device that has flashed the image does not run it.
 *
 * @param another whether the device was sent another image since, which may have replaced this one
 */
export function notRebooted(another: boolean): HomieError {
  return new HomieError(another ? 'NOT_REBOOTED.anotherImage' : 'NOT_REBOOTED');
}
