/** What the sidebar shows, and what all views share. */
import { createContext } from 'preact';
import { useContext } from 'preact/hooks';
import type { PlanRequest } from '../answers';
import type { Feed } from './feed';

/** A view that covers the table of devices. */
export type View =
  | { readonly kind: 'plan'; readonly title: string; readonly request: PlanRequest }
  | { readonly kind: 'device'; readonly id: string; readonly tab?: DeviceTab }
  | { readonly kind: 'offers'; readonly file?: File }
  | { readonly kind: 'jobs' }
  | { readonly kind: 'report'; readonly text: string };

export const deviceTabs = ['facts', 'config', 'history'] as const;

export type DeviceTab = (typeof deviceTabs)[number];

/** What all views share. */
export interface Sidebar {
  readonly feed: Feed;
  /** Whether the user may change devices. */
  readonly mayWrite: boolean;
  /** Covers the table with a view. The focus returns to where it was when the view is left. */
  readonly show: (view: View) => void;
  /** Returns to the view before. */
  readonly back: () => void;
  /** Returns to the table of devices. */
  readonly home: () => void;
  /** Set by a view that has to ask before it is left: gets what leaves it. */
  readonly guard: { current: ((leave: () => void) => void) | undefined };
  /** Shows a message for some seconds, which a screen reader reads out. */
  readonly tell: (text: string) => void;
}

export const SidebarContext = createContext<Sidebar | undefined>(undefined);

/** @throws {Error} outside of the sidebar */
export function useSidebar(): Sidebar {
  const sidebar = useContext(SidebarContext);
  if (sidebar === undefined) throw new Error('outside of the sidebar');
  return sidebar;
}
