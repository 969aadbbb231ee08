/** Which devices are ticked. */
import { useRef, useState } from 'preact/hooks';
import type { TableRow } from '../../../src/devices/table';

interface Ticks {
  readonly ticked: ReadonlySet<string>;
  /** Ticks these devices and no others. */
  readonly set: (ids: readonly string[]) => void;
  /**
   * Ticks or unticks a device.
   *
   * @param isRange whether to do the same with all devices between this one and the last
   */
  readonly toggle: (id: string, isRange: boolean) => void;
}

/** @param shown the devices in the table, in their order */
export function useTicks(shown: readonly TableRow[]): Ticks {
  const [ticked, setTicked] = useState<ReadonlySet<string>>(new Set());
  const last = useRef<string | undefined>(undefined);
  const toggle = (id: string, isRange: boolean): void => {
    const [from, to] = [last.current, id].map((each) => shown.findIndex((row) => row.id === each));
    const next = new Set(ticked);
    for (const each of isRange ? between(shown, from, to) : [id]) {
      if (ticked.has(id)) next.delete(each);
      else next.add(each);
    }
    last.current = id;
    setTicked(next);
  };
  return { ticked, toggle, set: (ids) => setTicked(new Set(ids)) };
}

function between(shown: readonly TableRow[], from = -1, to = -1): string[] {
  const first = from < 0 ? to : Math.min(from, to);
  return shown.slice(first, Math.max(from, to) + 1).map(({ id }) => id);
}
