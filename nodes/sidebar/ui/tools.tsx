/** Search, filter and order of the table. */
import type { TableRow } from '../../../src/devices/table';
import { columns, marks, type Query } from './arrange';
import { MenuButton, type MenuItem } from './menu';
import { CopyReport } from './report';
import { known, t } from './texts';

interface ToolsInput {
  readonly rows: ReadonlyMap<string, TableRow>;
  readonly query: Query;
  /** Whether the table has headers for the order. */
  readonly hasHeaders: boolean;
  readonly onQuery: (query: Query) => void;
}

/** Shows the search and the filter, and the order where the table has no headers. */
export function Tools({ rows, query, hasHeaders, onQuery }: ToolsInput) {
  const filter = filterText(query.filter);
  return (
    <div class="homie-tools">
      <input
        type="search"
        data-key="search"
        placeholder={t('search')}
        aria-label={t('search')}
        value={query.text}
        onInput={({ currentTarget }) => onQuery({ ...query, text: currentTarget.value })}
      />
      <Choice
        name="filter"
        icon="filter"
        chosen={filter}
        isActive={query.filter !== ''}
        items={() =>
          filters(rows, query).map((item) => itemOf(item, query.filter, () => onQuery({ ...query, filter: item })))
        }
      />
      {!hasHeaders && (
        <Choice
          name="order"
          icon={query.descending ? 'sort-amount-desc' : 'sort-amount-asc'}
          chosen={t(`column.${query.column}`)}
          items={() =>
            columns.map((column) => ({
              key: column,
              label: t(`column.${column}`),
              isChosen: column === query.column,
              choose: () => onQuery({ ...query, column, descending: column === query.column && !query.descending }),
            }))
          }
        />
      )}
      <CopyReport id="copy-report" compact />
    </div>
  );
}

interface ChoiceInput {
  readonly name: 'filter' | 'order';
  readonly icon: string;
  /** What is chosen now, in words. */
  readonly chosen: string;
  readonly isActive?: boolean;
  readonly items: () => readonly MenuItem[];
}

/** A button that opens a menu. It says what is chosen to a screen reader and in its title. */
function Choice({ name, icon, chosen, isActive = false, items }: ChoiceInput) {
  return (
    <MenuButton id={name} icon={icon} label={`${t(`tool.${name}`)}: ${chosen}`} isActive={isActive} items={items} />
  );
}

/** Returns all filters: the marks, and the present states and firmware names. */
function filters(rows: ReadonlyMap<string, TableRow>, { filter }: Query): string[] {
  const values = (name: 'state' | 'firmware'): string[] => {
    const all = [...rows.values()].flatMap((row) => (row[name] === undefined ? [] : [`${name}:${row[name]}`]));
    const chosen = filter.startsWith(`${name}:`) ? [filter] : [];
    return [...new Set([...all, ...chosen])].sort((a, b) => a.localeCompare(b));
  };
  return ['', ...Object.keys(marks), ...values('state'), ...values('firmware')];
}

function itemOf(filter: string, chosen: string, choose: () => void): MenuItem {
  return { key: filter, label: filterText(filter), isChosen: filter === chosen, choose };
}

function filterText(filter: string): string {
  const at = filter.indexOf(':');
  if (at < 0) return t(`filter.${filter === '' ? 'any' : filter}`);
  const value = filter.slice(at + 1);
  const [name, text] = filter.startsWith('state:') ? ['state', known(`state.${value}`)] : ['firmware', value];
  return `${t(`column.${name}`)}: ${text ?? value}`;
}
