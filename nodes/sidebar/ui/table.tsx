/** The table of devices, with its search, filter and selection. */
import type { ComponentChildren, RefObject } from 'preact';
import { useEffect, useMemo, useRef, useState } from 'preact/hooks';
import type { TableRow } from '../../../src/devices/table';
import { actionsFor } from './actions';
import { arrange, columns, firstQuery, type Column, type Query } from './arrange';
import { DeviceRow } from './device-row';
import { Menu, type MenuItem } from './menu';
import { useTick } from './parts';
import { Selection } from './selection';
import { t } from './texts';
import { useTicks } from './ticks';
import { Tools } from './tools';
import { deviceTabs, useSidebar } from './views';
import { reveal, VirtualList } from './virtual-list';

/** The height of a row, in px: with one line, with two, or with one where the sidebar is low. */
const HEIGHTS = { wide: 34, narrow: 46, low: 28 } as const;

type Shape = keyof typeof HEIGHTS;

/** Minimum width, in px, at which everything about a device fits in one line. */
const WIDE = 700;

/** Maximum height of the sidebar, in px, at which it is low, as in Node-RED 5 with two panels. */
const LOW = 420;

/** Shows the devices of the feed. */
export function DeviceTable({ isHidden }: { readonly isHidden: boolean }) {
  const { feed } = useSidebar();
  const [query, setQuery] = useState<Query>(firstQuery);
  const grid = useRef<HTMLDivElement>(null);
  const shape = useShape(grid);
  useTick(15_000);
  const { rows } = feed;
  const shown = useMemo(() => arrange(rows.values(), query), [rows, query]);
  const { ticked, toggle, set } = useTicks(shown);
  const chosen = [...ticked].flatMap((id) => rows.get(id) ?? []);
  return (
    <div class={`homie-table homie-${shape}`} hidden={isHidden}>
      <Tools rows={rows} query={query} hasHeaders={shape === 'wide'} onQuery={setQuery} />
      <Selection shown={shown} total={rows.size} chosen={chosen} onTicked={set} />
      <Grid element={grid} shown={shown} shape={shape} ticked={ticked} onTick={toggle}>
        {shape === 'wide' && <Head query={query} onQuery={setQuery} />}
      </Grid>
    </div>
  );
}

interface GridInput {
  readonly element: RefObject<HTMLDivElement | null>;
  readonly shown: readonly TableRow[];
  readonly shape: Shape;
  readonly ticked: ReadonlySet<string>;
  readonly onTick: (id: string, isRange: boolean) => void;
  /** The headers. */
  readonly children: ComponentChildren;
}

function Grid({ element, shown, shape, ticked, onTick, children }: GridInput) {
  const { mayWrite, show } = useSidebar();
  const [active, setActive] = useState<string>();
  const [menu, setMenu] = useState<Opened>();
  const height = HEIGHTS[shape];
  const above = shape === 'wide' ? height : 0;
  const index = shown.findIndex(({ id }) => id === active);
  const move = (to: number): void => {
    const at = Math.min(Math.max(to, 0), shown.length - 1);
    setActive(shown[at]?.id);
    reveal(element.current, at, height, above);
  };
  const press = (event: KeyboardEvent): void => {
    if (event.target !== element.current || shown.length === 0) return;
    const to = target(event.key, index, element.current, height);
    if (to !== undefined) move(to);
    else if (event.key === 'Enter' && active !== undefined) show({ kind: 'device', id: active });
    else if (event.key === ' ' && active !== undefined && mayWrite) onTick(active, event.shiftKey);
    else return;
    event.preventDefault();
    event.stopPropagation();
  };
  return (
    <>
      <div
        ref={element}
        class="homie-grid"
        role="grid"
        tabIndex={0}
        data-key="grid"
        aria-label={t('devices')}
        aria-rowcount={shown.length + 1}
        aria-multiselectable={mayWrite}
        aria-activedescendant={index < 0 ? undefined : `homie-row-${index}`}
        onKeyDown={press}
      >
        {children}
        <Rows {...{ element, shown, height, above, ticked, onTick, active }} onActive={setActive} onMenu={setMenu} />
      </div>
      {/* Outside the grid, which may contain only rows. */}
      {menu !== undefined && <RowMenu {...menu} onClose={() => setMenu(undefined)} />}
    </>
  );
}

/** The menu of a row that is open. */
interface Opened {
  readonly anchor: HTMLElement;
  readonly row: TableRow;
}

interface RowsInput extends Pick<GridInput, 'element' | 'shown' | 'ticked' | 'onTick'> {
  readonly height: number;
  readonly above: number;
  readonly active: string | undefined;
  readonly onActive: (id: string) => void;
  readonly onMenu: (menu: Opened) => void;
}

function Rows({ element, shown, height, above, ticked, onTick, active, onActive, onMenu }: RowsInput) {
  const { show } = useSidebar();
  const open = (id: string): void => {
    onActive(id);
    show({ kind: 'device', id });
  };
  return (
    <VirtualList
      viewport={element}
      items={shown}
      height={height}
      above={above}
      role="rowgroup"
      row={(row, index, top) => (
        <DeviceRow
          key={row.id}
          {...{ row, index, top }}
          isActive={row.id === active}
          isTicked={ticked.has(row.id)}
          onTick={(isRange) => onTick(row.id, isRange)}
          onMenu={(anchor) => onMenu({ anchor, row })}
          onOpen={() => open(row.id)}
        />
      )}
    />
  );
}

function RowMenu({ anchor, row, onClose }: Opened & { readonly onClose: () => void }) {
  const { mayWrite, show } = useSidebar();
  const actions = mayWrite ? actionsFor([row]) : [];
  const items: MenuItem[] = [
    ...actions.map(({ name, view }) => ({ key: name, label: t(`action.${name}`), choose: () => show(view) })),
    ...deviceTabs.map((tab) => ({
      key: tab,
      label: t(`view.${tab}`),
      choose: () => show({ kind: 'device', id: row.id, tab }),
    })),
  ];
  return <Menu anchor={anchor} items={items} onClose={onClose} />;
}

function Head({ query, onQuery }: { readonly query: Query; readonly onQuery: (query: Query) => void }) {
  const { mayWrite } = useSidebar();
  const cell = (column: Column) => {
    const isIt = column === query.column;
    const direction = query.descending ? 'descending' : 'ascending';
    const icon = isIt ? (query.descending ? 'sort-desc' : 'sort-asc') : 'sort';
    const sort = (): void => onQuery({ ...query, column, descending: isIt && !query.descending });
    return (
      <div key={column} class={`homie-cell homie-${column}`} role="columnheader" aria-sort={isIt ? direction : 'none'}>
        <button type="button" onClick={sort}>
          <span>{t(`column.${column}`)}</span>
          <i class={`fa fa-${icon}`} aria-hidden="true" />
        </button>
      </div>
    );
  };
  const blank = (name: string) => (
    <div key={name} class={`homie-cell homie-${name}`} role="columnheader" aria-label={t(`column.${name}`)} />
  );
  return (
    <div class="homie-heads" role="rowgroup">
      <div class="homie-head" role="row" aria-rowindex={1}>
        {mayWrite && blank('tick')}
        {columns.map(cell)}
        {blank('actions')}
      </div>
    </div>
  );
}

/** Returns the index that a key moves to. */
function target(key: string, index: number, element: HTMLElement | null, height: number): number | undefined {
  const page = Math.max(1, Math.floor((element?.clientHeight ?? 0) / height) - 1);
  const targets: Readonly<Record<string, number>> = {
    ArrowDown: index + 1,
    ArrowUp: index - 1,
    PageDown: index + page,
    PageUp: index - page,
    Home: 0,
    End: Number.MAX_SAFE_INTEGER,
  };
  return targets[key];
}

function useShape(grid: RefObject<HTMLElement | null>): Shape {
  const [shape, setShape] = useState<Shape>('narrow');
  useEffect(() => {
    const sidebar = grid.current?.closest('.homie-sidebar');
    if (sidebar === null || sidebar === undefined) return undefined;
    const resized = new ResizeObserver(() => {
      const { clientWidth, clientHeight } = sidebar;
      if (clientWidth > 0) setShape(clientWidth >= WIDE ? 'wide' : clientHeight <= LOW ? 'low' : 'narrow');
    });
    resized.observe(sidebar);
    return () => resized.disconnect();
  }, [grid]);
  return shape;
}
