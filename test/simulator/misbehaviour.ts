import type { FlashFaults } from './flash';

/** How a simulated device misbehaves. What is not given works. */
export interface Misbehaviour extends FlashFaults {
  /** The TCP connection is cut when this byte of an image has come; the device keeps running and reconnects. */
  dropAt?: number;
  /** The device stands still when this byte of an image has come; only `restart()` wakes it. */
  hangAt?: number;
  /** The device crashes at this byte of an image, and boots again without telling the broker. */
  crashAt?: number;
  /** How many transfers `dropAt`, `hangAt`, `crashAt` and `dropBefore` befall; default 1. */
  times?: number;
  /** Statuses that get lost on their way: QoS 0 promises nothing. */
  loseStatuses?: (status: string) => boolean;
  /** After the next reboot the device never connects again. */
  neverBack?: boolean;
  /** After the next update the device runs this image instead. */
  comesBackWith?: Buffer;
  /**
   * What the broker sees of a reboot: `fin` the end of the connection, `silent` nothing before the device connects
   * anew. With `hang` the device dies at the reboot without FIN or RST: the broker sends its will when the keepalive is
   * over. `neverBack` alone is a device that dies there and whose connection ends.
   */
  reboot?: 'fin' | 'silent' | 'hang';
  /** The sketch is busy, and the device does not reboot (Homie.setIdle(false)). */
  notIdle?: boolean;
  /** Patches of the configuration reach the device, and nothing comes of them. */
  deaf?: boolean;
  /** A patch is written without this member of it. */
  forgets?: string;
  /** No `$stats` are published. */
  noStatistics?: boolean;
  /** Milliseconds from each `ready` to the first `$stats` of the connection. */
  statisticsDelay?: number;
  /** The first `$stats` of each connection get lost; the next ones come after the interval. */
  loseFirstStatistics?: boolean;
  /** The TCP connection is cut at the moment this status would go out, as often as `times` says. */
  dropBefore?: string;
}

/** What befalls the device when so many bytes of an image have come. */
export function mishapAt(misbehaviour: Misbehaviour, bytes: number): 'drop' | 'hang' | 'crash' | undefined {
  const { dropAt = Infinity, hangAt = Infinity, crashAt = Infinity } = misbehaviour;
  if (bytes >= dropAt) return 'drop';
  if (bytes >= crashAt) return 'crash';
  return bytes >= hangAt ? 'hang' : undefined;
}
