/** Small parts that all views use. */
import type { ComponentChildren, RefObject } from 'preact';
import { useEffect, useReducer, useRef } from 'preact/hooks';

export function Icon({ name }: { readonly name: string }) {
  return <i class={`fa fa-${name}`} aria-hidden="true" />;
}

const verdictIcons = { good: 'check-circle', bad: 'exclamation-circle', open: 'info-circle', none: 'minus-circle' };

interface VerdictInput {
  readonly verdict: keyof typeof verdictIcons;
  readonly text: string;
  /** Set if a screen reader reads the text out when it appears. */
  readonly role?: 'alert' | 'status';
  readonly icon?: string | undefined;
}

/** Shows what a check has found, or why something failed. */
export function Verdict({ verdict, text, role, icon = verdictIcons[verdict] }: VerdictInput) {
  return (
    <p class="homie-verdict" role={role} data-verdict={verdict}>
      <Icon name={icon} /> {text}
    </p>
  );
}

interface ButtonInput {
  /** Identifies the button, so that the focus can return to it. */
  readonly id?: string;
  readonly onClick: () => void;
  readonly icon?: string;
  /** What the button does, if it has no text. */
  readonly label?: string;
  readonly kind?: 'primary' | 'plain' | undefined;
  readonly disabled?: boolean | undefined;
  readonly title?: string | undefined;
  readonly tabIndex?: number | undefined;
  readonly children?: ComponentChildren;
}

/** A button that ignores the second click of a double click, because the button that it hits may only just have appeared. */
export function Button({ id, onClick, icon, label, kind, disabled, title, tabIndex, children }: ButtonInput) {
  return (
    <button
      type="button"
      class={`homie-button ${kind === undefined ? '' : `homie-${kind}`}`}
      data-key={id}
      aria-label={label}
      title={title ?? label}
      disabled={disabled}
      tabIndex={tabIndex}
      onClick={(event) => {
        event.stopPropagation();
        if (event.detail < 2) onClick();
      }}
    >
      {icon !== undefined && <Icon name={icon} />}
      {icon !== undefined && children !== undefined && ' '}
      {children}
    </button>
  );
}

/** @param percent 0 to 100 */
export function ProgressBar({ percent, label }: { readonly percent: number; readonly label: string }) {
  return (
    <div
      class="homie-progress"
      role="progressbar"
      aria-valuemin={0}
      aria-valuemax={100}
      aria-valuenow={Math.round(percent)}
      aria-label={label}
    >
      <div class="homie-bar" style={{ width: `${percent}%` }} />
    </div>
  );
}

/** Scrolls an element into view when there is news for it: no longer undefined, or another value. */
export function useReveal(news: unknown): RefObject<HTMLDivElement | null> {
  const element = useRef<HTMLDivElement>(null);
  useEffect(() => {
    if (news !== undefined) element.current?.scrollIntoView({ block: 'nearest' });
  }, [news]);
  return element;
}

/** Renders again after each interval, in ms, so that relative times stay current. */
export function useTick(interval: number): void {
  const [, tick] = useReducer((ticks: number) => ticks + 1, 0);
  useEffect(() => {
    const timer = setInterval(() => tick(undefined), interval);
    return () => clearInterval(timer);
  }, [interval]);
}

/** The title of a view that covers the table, with the way back. */
export function ViewHead({
  title,
  back,
  onBack,
  children,
}: {
  readonly title: string;
  readonly back: string;
  readonly onBack: () => void;
  readonly children?: ComponentChildren;
}) {
  return (
    <div class="homie-viewhead">
      <Button id="back" kind="plain" icon="arrow-left" label={back} onClick={onBack} />
      <h3 tabIndex={-1} data-key="title" title={title}>
        {title}
      </h3>
      {children}
    </div>
  );
}
