/** The buttons for what can be done with devices. */
import type { TableRow } from '../../../src/devices/table';
import { actionsFor, type DeviceAction } from './actions';
import { MenuButton } from './menu';
import { Button } from './parts';
import { useSidebar } from './views';

interface ActionButtonsInput {
  /** The start of the ids of the buttons. */
  readonly id: string;
  readonly rows: readonly TableRow[];
  /** What the menu is for, for a screen reader. */
  readonly more: string;
  readonly moreTitle?: string;
  readonly text: (action: DeviceAction) => string;
  readonly isPrimary: (action: DeviceAction) => boolean;
}

/** Shows a button for the first prominent action that fits, and a menu with the others. */
export function ActionButtons({ id, rows, more, moreTitle = more, text, isPrimary }: ActionButtonsInput) {
  const { show } = useSidebar();
  const actions = actionsFor(rows);
  const main = actions.find(({ isProminent }) => isProminent);
  const others = actions.filter((action) => action !== main);
  return (
    <>
      {main !== undefined && (
        <Button id={`${id}-main`} kind={isPrimary(main) ? 'primary' : undefined} onClick={() => show(main.view)}>
          {text(main)}
        </Button>
      )}
      {others.length > 0 && (
        <MenuButton
          id={`${id}-more`}
          label={more}
          title={moreTitle}
          items={() => others.map((each) => ({ key: each.name, label: text(each), choose: () => show(each.view) }))}
        />
      )}
    </>
  );
}
