import type { FlashFaults } from './flash';

/** How a simulated device misbehaves. Everything that is not set works. */
export interface Misbehavior extends FlashFaults {
  /** The TCP connection is cut when this byte of an image has arrived; the device keeps running and reconnects. */
  dropAt?: number;
  /** The device hangs when this byte of an image has arrived; only `restart()` wakes it. */
  hangAt?: number;
  /** The device crashes at this byte of an image, and boots again without telling the broker. */
  crashAt?: number;
  /** Nothing arrives any more when this byte of an image has arrived. The connection stays open. */
  stallAt?: number;
  /** Number of transfers that `dropAt`, `hangAt`, `crashAt`, `stallAt` and `dropBefore` affect. Default 1. */
  times?: number;
  /** Returns true for a status that gets lost, as can happen at QoS 0. */
  loseStatuses?: (status: string) => boolean;
  /**
   * Returns true for a status that the loop does not send in time: the next one replaces it, or it is lost with the
   * reboot. Only the maintained fork lets a status wait for the loop.
   */
  delaysStatus?: (status: string) => boolean;
  /** After the next reboot the device never connects again. */
  neverBack?: boolean;
  /** After the next update the device runs this image instead. */
  comesBackWith?: Buffer;
  /**
   * What the broker sees of a reboot. `fin`: the end of the connection. `silent`: nothing until the device connects
   * again. `hang`: the device dies at the reboot without FIN or RST, and the broker publishes the will after the
   * keepalive. `neverBack` alone is a device that dies at the reboot and whose connection ends.
   */
  reboot?: 'fin' | 'silent' | 'hang';
  /** The sketch is busy, so the device does not reboot (Homie.setIdle(false)). */
  notIdle?: boolean;
  /** The device receives configuration patches and ignores them. */
  deaf?: boolean;
  /** The device writes a patch without this member. */
  forgets?: string;
  /** The device does not publish `$stats/uptime`. */
  noStatistics?: boolean;
  /** Milliseconds from each `ready` to the first `$stats` of the connection. */
  statisticsDelay?: number;
  /** The first `$stats` of each connection get lost; the next ones follow after the interval. */
  loseFirstStatistics?: boolean;
  /** The TCP connection is cut just before the device sends this status, for `times` transfers. */
  dropBefore?: string;
}

/** Returns what happens to the device when this many bytes of an image have arrived. */
export function mishapAt(misbehavior: Misbehavior, bytes: number): 'drop' | 'hang' | 'crash' | 'stall' | undefined {
  const { dropAt = Infinity, hangAt = Infinity, crashAt = Infinity, stallAt = Infinity } = misbehavior;
  if (bytes >= dropAt) return 'drop';
  if (bytes >= crashAt) return 'crash';
  if (bytes >= hangAt) return 'hang';
  return bytes >= stallAt ? 'stall' : undefined;
}
