/** A scrolling list of which only the visible rows exist in the page. */
import type { ComponentChildren, RefObject } from 'preact';
import { useEffect, useLayoutEffect, useState } from 'preact/hooks';

/** The rows that are visible. */
interface Visible {
  readonly first: number;
  readonly last: number;
}

interface VirtualListInput<Item> {
  /** The scrolling element. */
  readonly viewport: RefObject<HTMLElement | null>;
  readonly items: readonly Item[];
  /** The height of a row, in px. */
  readonly height: number;
  /** The height of what is above the rows and does not scroll away, in px. */
  readonly above?: number;
  readonly role: 'rowgroup' | 'list';
  /** Creates a row at a distance from the top, in px. */
  readonly row: (item: Item, index: number, top: number) => ComponentChildren;
}

/** Shows the rows that are visible, and a few more. */
export function VirtualList<Item>({ viewport, items, height, above = 0, role, row }: VirtualListInput<Item>) {
  const { first, last } = useVisible(viewport, items.length, height, above);
  return (
    <div class="homie-body" role={role} style={{ height: `${items.length * height}px` }}>
      {items.slice(first, last).map((item, index) => row(item, first + index, (first + index) * height))}
    </div>
  );
}

function useVisible(viewport: RefObject<HTMLElement | null>, length: number, height: number, above: number): Visible {
  const [visible, setVisible] = useState<Visible>({ first: 0, last: Math.min(length, 20) });
  const look = (): void => {
    const { clientHeight = 0, scrollTop = 0 } = viewport.current ?? {};
    // A hidden list keeps its rows, so that the focus can return to one of them.
    if (clientHeight === 0) return;
    const first = Math.max(0, Math.floor(scrollTop / height) - 2);
    const last = Math.min(length, first + Math.ceil((clientHeight - above) / height) + 5);
    setVisible((before) => (before.first === first && before.last === last ? before : { first, last }));
  };
  useLayoutEffect(look);
  useEffect(() => {
    const element = viewport.current;
    if (element === null) return undefined;
    element.addEventListener('scroll', look, { passive: true });
    const resized = new ResizeObserver(look);
    resized.observe(element);
    return () => {
      element.removeEventListener('scroll', look);
      resized.disconnect();
    };
  }, [length, height, above]);
  return visible;
}

/** Scrolls until a row is visible. */
export function reveal(element: HTMLElement | null, index: number, height: number, above: number): void {
  if (element === null) return;
  const room = element.clientHeight - above;
  const top = index * height;
  if (top < element.scrollTop) element.scrollTop = top;
  else if (top + height > element.scrollTop + room) element.scrollTop = top + height - room;
}
