/** A menu beside the button that opens it. */
import { useLayoutEffect, useRef, useState } from 'preact/hooks';
import { Icon } from './parts';
import { t } from './texts';

export interface MenuItem {
  readonly key: string;
  readonly label: string;
  /** For a choice: whether it is the present one. */
  readonly isChosen?: boolean;
  readonly choose: () => void;
}

interface MenuButtonInput {
  /** Identifies the button, so that the focus can return to it. */
  readonly id: string;
  readonly icon?: string;
  /** What the menu is for, for a screen reader. */
  readonly label: string;
  readonly title?: string;
  /** Whether what was chosen in the menu is in effect. */
  readonly isActive?: boolean;
  /** Returns the items when the menu opens. */
  readonly items: () => readonly MenuItem[];
}

/** A button with an icon that opens a menu. */
export function MenuButton({ id, icon = 'ellipsis-v', label, title = label, isActive, items }: MenuButtonInput) {
  const [anchor, setAnchor] = useState<HTMLElement>();
  return (
    <>
      <button
        type="button"
        class="homie-button homie-more"
        data-key={id}
        data-active={isActive}
        aria-haspopup="menu"
        aria-label={label}
        title={title}
        onClick={({ currentTarget }) => setAnchor(currentTarget)}
      >
        <Icon name={icon} />
      </button>
      {anchor !== undefined && (
        <Menu anchor={anchor} label={title} items={items()} onClose={() => setAnchor(undefined)} />
      )}
    </>
  );
}

interface MenuInput {
  /** The button. */
  readonly anchor: HTMLElement;
  readonly label?: string;
  readonly items: readonly MenuItem[];
  readonly onClose: () => void;
}

/** Shows a menu until an item is chosen, Escape is pressed, or something else is clicked. */
export function Menu({ anchor, label = t('more'), items, onClose }: MenuInput) {
  const list = useRef<HTMLDivElement>(null);
  useLayoutEffect(() => {
    const { current } = list;
    if (current === null) return;
    current.showPopover();
    const at = anchor.getBoundingClientRect();
    const { offsetWidth, offsetHeight } = current;
    const below = at.bottom + offsetHeight <= window.innerHeight;
    current.style.left = `${Math.max(4, at.right - offsetWidth)}px`;
    current.style.top = `${below ? at.bottom : Math.max(4, at.top - offsetHeight)}px`;
    current.querySelector('button')?.focus();
  }, [anchor]);
  const move = (event: KeyboardEvent): void => {
    const buttons = [...(list.current?.querySelectorAll('button') ?? [])];
    const index = buttons.findIndex((each) => each === document.activeElement);
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (event.key === 'Tab') onClose();
    if (step === undefined) return;
    event.preventDefault();
    buttons.at((index + step) % buttons.length)?.focus();
  };
  return (
    <div
      ref={list}
      popover="auto"
      class="homie-menu"
      role="menu"
      aria-label={label}
      onKeyDown={move}
      onToggle={(event) => {
        if (event.newState === 'closed') onClose();
      }}
    >
      {items.map(({ key, label: text, isChosen, choose }) => (
        <button
          key={key}
          type="button"
          role={isChosen === undefined ? 'menuitem' : 'menuitemradio'}
          aria-checked={isChosen}
          data-key={`menu-${key}`}
          onClick={() => {
            onClose();
            // The view that opens returns the focus to the button.
            anchor.focus();
            choose();
          }}
        >
          {text}
        </button>
      ))}
    </div>
  );
}
