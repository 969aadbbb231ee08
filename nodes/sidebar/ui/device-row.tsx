/** A device in the table. */
import type { TableRow } from '../../../src/devices/table';
import { actionsFor } from './actions';
import { Button, Icon, ProgressBar } from './parts';
import { statusOf, type RowStatus } from './row-status';
import { ago, exact, t } from './texts';
import { useSidebar } from './views';

interface DeviceRowInput {
  readonly row: TableRow;
  readonly index: number;
  /** The distance from the top of the list, in px. */
  readonly top: number;
  readonly isActive: boolean;
  readonly isTicked: boolean;
  /** @param isRange whether all rows since the last tick are meant, too */
  readonly onTick: (isRange: boolean) => void;
  readonly onMenu: (anchor: HTMLElement) => void;
  readonly onOpen: () => void;
}

/** Shows a device. Only the buttons of the active row are in the tab order. */
export function DeviceRow({ row, index, top, isActive, isTicked, onTick, onMenu, onOpen }: DeviceRowInput) {
  const { feed, mayWrite } = useSidebar();
  const { id, name = id, state, firmware, version, seen } = row;
  const status = statusOf(row, feed.now);
  const tabIndex = isActive ? 0 : -1;
  return (
    <div
      id={`homie-row-${index}`}
      class="homie-row"
      role="row"
      style={{ top: `${top}px` }}
      data-device={id}
      aria-rowindex={index + 2}
      aria-selected={isTicked}
      data-active={isActive}
      data-busy={status.label !== '' && status.tone !== 'good'}
      onClick={onOpen}
    >
      {mayWrite && (
        <div class="homie-cell homie-tick" role="gridcell">
          <input
            type="checkbox"
            data-key={`tick-${id}`}
            tabIndex={tabIndex}
            aria-label={t('select', { device: name })}
            checked={isTicked}
            onClick={(event) => {
              event.stopPropagation();
              onTick(event.shiftKey);
            }}
          />
        </div>
      )}
      <div class="homie-cell homie-name" role="rowheader" title={name === id ? id : `${name} ${id}`}>
        <span class="homie-dot" data-state={state} aria-hidden="true" />
        <span>{name}</span> {name !== id && <span class="homie-other">{id}</span>}
      </div>
      <div class="homie-facts" role="presentation">
        <div class="homie-cell homie-state" role="gridcell">
          {t(`state.${state}`)}
        </div>
        <div class="homie-cell homie-firmware" role="gridcell" title={firmware}>
          {firmware}
        </div>
        <div class="homie-cell homie-version" role="gridcell" title={version}>
          {version}
        </div>
        <div class="homie-cell homie-seen" role="gridcell" title={seen === undefined ? undefined : exact(seen)}>
          {seen === undefined ? '' : ago(seen, feed.now)}
        </div>
      </div>
      <StatusCell status={status} name={name} />
      <div class="homie-cell homie-actions" role="gridcell">
        <RowButtons row={row} tabIndex={tabIndex} onMenu={onMenu} />
      </div>
    </div>
  );
}

function StatusCell({ status, name }: { readonly status: RowStatus; readonly name: string }) {
  const { label, title = label, symbol, tone, progress } = status;
  return (
    <div class="homie-cell homie-update" role="gridcell" title={title} data-tone={tone}>
      {symbol !== undefined && <Icon name={symbol} />}
      <span>{label}</span>
      {progress !== undefined && <ProgressBar percent={progress} label={t('progress', { device: name })} />}
    </div>
  );
}

interface RowButtonsInput {
  readonly row: TableRow;
  readonly tabIndex: number;
  readonly onMenu: (anchor: HTMLElement) => void;
}

function RowButtons({ row, tabIndex, onMenu }: RowButtonsInput) {
  const { mayWrite, show } = useSidebar();
  const { id, name = id } = row;
  const main = mayWrite ? actionsFor([row]).find(({ isProminent }) => isProminent) : undefined;
  return (
    <>
      {main !== undefined && (
        <Button
          id={`${main.name}-${id}`}
          kind={main.name === 'update' ? 'primary' : undefined}
          tabIndex={tabIndex}
          label={`${t(`action.${main.name}`)}: ${name}`}
          onClick={() => show(main.view)}
        >
          {t(`action.${main.name}`)}
        </Button>
      )}
      <button
        type="button"
        class="homie-button homie-plain homie-more"
        data-key={`more-${id}`}
        tabIndex={tabIndex}
        aria-haspopup="menu"
        aria-label={t('moreFor', { device: name })}
        title={t('more')}
        onClick={(event) => {
          event.stopPropagation();
          onMenu(event.currentTarget);
        }}
      >
        <Icon name="ellipsis-v" />
      </button>
    </>
  );
}
