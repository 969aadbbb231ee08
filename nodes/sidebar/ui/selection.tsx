/** The selected devices, and what can be done with them. */
import type { TableRow } from '../../../src/devices/table';
import { ActionButtons } from './action-buttons';
import { mayUpdate } from './arrange';
import { Button } from './parts';
import { count, localNumber, t } from './texts';
import { useSidebar } from './views';

interface SelectionInput {
  readonly shown: readonly TableRow[];
  /** How many devices there are, shown or not. */
  readonly total: number;
  readonly chosen: readonly TableRow[];
  readonly onTicked: (ids: readonly string[]) => void;
}

/** Shows how many devices there are, or the actions for the selected ones. */
export function Selection({ shown, total, chosen, onTicked }: SelectionInput) {
  const { mayWrite } = useSidebar();
  const isAll = shown.length > 0 && chosen.length >= shown.length;
  return (
    <div class="homie-selection">
      {mayWrite && (
        <input
          type="checkbox"
          data-key="tick-all"
          aria-label={t('selectAll')}
          title={t('selectAll')}
          checked={isAll}
          ref={(box) => {
            if (box !== null) box.indeterminate = chosen.length > 0 && !isAll;
          }}
          onClick={() => onTicked(chosen.length > 0 ? [] : shown.map(({ id }) => id))}
        />
      )}
      {chosen.length === 0 ? (
        <Counted shown={shown} total={total} onTicked={onTicked} />
      ) : (
        <SelectedActions chosen={chosen} />
      )}
    </div>
  );
}

function Counted({ shown, total, onTicked }: Omit<SelectionInput, 'chosen'>) {
  const { mayWrite } = useSidebar();
  const available = shown.filter(mayUpdate);
  const all = localNumber(total);
  const text = shown.length === total ? count('all', total) : count('some', shown.length, { all });
  const choice = count('available', available.length);
  return (
    <>
      <span class="homie-counted" role="status" title={text}>
        {text}
      </span>
      {available.length > 0 && mayWrite && (
        <Button id="tick-available" kind="plain" title={choice} onClick={() => onTicked(available.map(({ id }) => id))}>
          {choice}
        </Button>
      )}
    </>
  );
}

function SelectedActions({ chosen }: { readonly chosen: readonly TableRow[] }) {
  return (
    <>
      <span class="homie-counted" role="status">
        {count('selected', chosen.length)}
      </span>
      <ActionButtons
        id="selected"
        rows={chosen}
        more={t('moreSelected')}
        text={({ name, fits }) => `${t(`action.${name}`)} (${localNumber(fits)})`}
        isPrimary={() => true}
      />
    </>
  );
}
