/** Search, filter and order of the table. */
import type { TableRow } from '../../../src/devices/table';
import { columns, marks, type Column, type Query } from './arrange';
import { t } from './texts';

interface ToolsInput {
  readonly rows: ReadonlyMap<string, TableRow>;
  readonly query: Query;
  readonly isWide: boolean;
  readonly onQuery: (query: Query) => void;
}

/** Shows the search and the filter, and the order where the table has no headers. */
export function Tools({ rows, query, isWide, onQuery }: ToolsInput) {
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
      <Filter rows={rows} query={query} onQuery={onQuery} />
      {!isWide && <Order query={query} onQuery={onQuery} />}
    </div>
  );
}

function Filter({ rows, query, onQuery }: Omit<ToolsInput, 'isWide'>) {
  const values = (name: 'state' | 'firmware'): string[] => {
    const chosen = query.filter.startsWith(`${name}:`) ? [query.filter.slice(name.length + 1)] : [];
    const all = [...rows.values()].map((row) => row[name]);
    return [...new Set([...all, ...chosen])].flatMap((value) => value ?? []).sort((a, b) => a.localeCompare(b));
  };
  return (
    <select
      aria-label={t('filter.label')}
      value={query.filter}
      onChange={({ currentTarget }) => onQuery({ ...query, filter: currentTarget.value })}
    >
      <option value="">{t('filter.any')}</option>
      {Object.keys(marks).map((mark) => (
        <option key={mark} value={mark}>
          {t(`filter.${mark}`)}
        </option>
      ))}
      <optgroup label={t('column.state')}>
        {values('state').map((state) => (
          <option key={state} value={`state:${state}`}>
            {t(`state.${state}`)}
          </option>
        ))}
      </optgroup>
      <optgroup label={t('column.firmware')}>
        {values('firmware').map((firmware) => (
          <option key={firmware} value={`firmware:${firmware}`}>
            {firmware}
          </option>
        ))}
      </optgroup>
    </select>
  );
}

function Order({ query, onQuery }: Pick<ToolsInput, 'query' | 'onQuery'>) {
  const choose = (value: string): void => {
    const [name, direction] = value.split(' ');
    const column = columns.find((each) => each === name);
    if (column !== undefined) onQuery({ ...query, column, descending: direction === 'down' });
  };
  const label = (column: Column, descending: boolean): string => `${t(`column.${column}`)} ${descending ? '↓' : '↑'}`;
  return (
    <select
      aria-label={t('order')}
      value={`${query.column} ${query.descending ? 'down' : 'up'}`}
      onChange={({ currentTarget }) => choose(currentTarget.value)}
    >
      {columns.flatMap((column) =>
        [false, true].map((descending) => (
          <option key={`${column}${descending}`} value={`${column} ${descending ? 'down' : 'up'}`}>
            {label(column, descending)}
          </option>
        )),
      )}
    </select>
  );
}
