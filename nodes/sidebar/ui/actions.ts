/** What a user can do with devices: each action is planned and shown before it starts. */
import type { TableRow } from '../../../src/devices/table';
import type { PlanRequest } from '../answers';
import { isBusy, mayUpdate } from './arrange';
import { count, t } from './texts';
import type { View } from './views';

/** The actions, in the order of the menu. */
const names = ['update', 'cancel', 'retry', 'rollback', 'enableOta', 'exclude', 'include'] as const;

type ActionName = (typeof names)[number];

/** The actions that may get a button of their own. */
const prominent: ReadonlySet<ActionName> = new Set<ActionName>(['update', 'cancel', 'retry']);

type Named = Pick<TableRow, 'id' | 'name'>;

/** An action that fits at least one of the devices. */
export interface DeviceAction {
  readonly name: ActionName;
  /** How many of the devices it fits. */
  readonly fits: number;
  /** Whether it may get a button of its own: the first such action gets it, and the others are in the menu. */
  readonly isProminent: boolean;
  readonly view: View;
}

const fits: Readonly<Record<ActionName, (row: TableRow) => boolean>> = {
  update: mayUpdate,
  cancel: isBusy,
  retry: ({ update }) => update?.mayRetry === true,
  rollback: (row) => row.canRollBack === true && !isBusy(row),
  enableOta: ({ otaOff }) => otaOff === true,
  exclude: ({ excluded }) => excluded !== true,
  include: ({ excluded }) => excluded === true,
};

/** Returns the actions for devices. Each plan includes all of them, so that it says why it leaves some out. */
export function actionsFor(rows: readonly TableRow[]): DeviceAction[] {
  return names.flatMap((name) => {
    const isHeld = name === 'update' && isHeldBack(rows);
    const number = isHeld ? 1 : rows.filter(fits[name]).length;
    if (number === 0) return [];
    return [{ name, fits: number, isProminent: prominent.has(name) && !isHeld, view: planOf(name, rows) }];
  });
}

/** Returns whether there is only an update that is held back, which can be sent to a single device. */
function isHeldBack([row, ...more]: readonly TableRow[]): boolean {
  return row?.offer?.state === 'held' && !isBusy(row) && more.length === 0;
}

/** Returns the plan of an action for devices. */
export function planOf(action: ActionName, devices: readonly Named[]): View {
  const ids = devices.map(({ id }) => id);
  return { kind: 'plan', title: titleOf(action, devices), request: requestOf(action, ids) };
}

function requestOf(name: ActionName, devices: readonly string[]): PlanRequest {
  if (name === 'enableOta') return { action: 'set', devices, patch: { ota: { enabled: true } } };
  return { action: name, devices };
}

function titleOf(name: ActionName, rows: readonly Named[]): string {
  const [only, ...more] = rows;
  const what = only !== undefined && more.length === 0 ? (only.name ?? only.id) : count('all', rows.length);
  return `${t(`action.${name}`)}: ${what}`;
}
