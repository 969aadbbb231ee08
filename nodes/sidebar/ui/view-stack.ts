/** The views that cover the table, and the ways between them. */
import { useEffect, useLayoutEffect, useRef, useState } from 'preact/hooks';
import type { Sidebar, View } from './views';

interface Opened {
  readonly view: View;
  /** The key of what had the focus before. */
  readonly from: string | undefined;
}

/** @param root the element that the sidebar fills */
export function useViews(root: HTMLElement) {
  const [views, setViews] = useState<readonly Opened[]>([]);
  const focus = useFocus(root, views);
  const guard: Sidebar['guard'] = useRef(undefined);
  const leave = (go: () => void): void => (guard.current === undefined ? go() : guard.current(go));
  const show = (view: View): void => {
    const from = keyOf(root.ownerDocument.activeElement);
    leave(() => setViews((before) => [...before, { view, from }]));
  };
  const back = (): void =>
    leave(() => {
      focus.return(views.at(-1)?.from);
      setViews((before) => before.slice(0, -1));
    });
  const home = (): void =>
    leave(() => {
      focus.return(views[0]?.from);
      setViews([]);
    });
  useEscape(root, views.length > 0 ? back : undefined);
  return { views, setViews, leave, show, back, home, guard };
}

/** Focuses the title of a view that opens, and what had the focus before when it is left. */
function useFocus(root: HTMLElement, views: readonly Opened[]): { return: (key: string | undefined) => void } {
  const returnTo = useRef<string | undefined>(undefined);
  const before = useRef(0);
  useLayoutEffect(() => {
    const find = (key: string): HTMLElement | null => root.querySelector(`[data-key="${CSS.escape(key)}"]`);
    if (views.length > before.current) find('title')?.focus();
    else if (views.length < before.current) (find(returnTo.current ?? '') ?? find('title') ?? find('grid'))?.focus();
    before.current = views.length;
  }, [views]);
  return {
    return: (key) => {
      returnTo.current = key;
    },
  };
}

/** Calls back when Escape is pressed, unless that closes a menu. */
function useEscape(root: HTMLElement, leave: (() => void) | undefined): void {
  useEffect(() => {
    const press = (event: KeyboardEvent): void => {
      if (event.key !== 'Escape' || leave === undefined || root.querySelector(':popover-open') !== null) return;
      event.stopPropagation();
      leave();
    };
    root.addEventListener('keydown', press);
    return () => root.removeEventListener('keydown', press);
  }, [root, leave]);
}

function keyOf(element: Element | null): string | undefined {
  return element instanceof HTMLElement ? element.dataset['key'] : undefined;
}
