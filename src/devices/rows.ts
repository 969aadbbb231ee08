import { randomUUID } from 'node:crypto';
import { setNewest } from '../set-newest';

/** The changes since a cursor, or the whole table where `full` is true. */
export interface RowChanges<Row> {
  readonly cursor: string;
  readonly full: boolean;
  readonly rows: readonly Row[];
  /** The IDs of removed rows. */
  readonly gone: readonly string[];
}

/** Maximum number of remembered removals. A reader whose cursor is older than those gets the whole table. */
const MAX_GONE = 1000;

/** Rows by id, each with the revision of its last change. A row is plain data. */
export class Rows<Row> {
  readonly #id = randomUUID();
  #revision = 0;
  readonly #rows = new Map<string, { readonly row: Row; readonly text: string; readonly revision: number }>();
  readonly #gone = new Map<string, number>();
  /** Removals up to this revision may have been forgotten. */
  #forgotten = 0;

  get ids(): readonly string[] {
    return [...this.#rows.keys()];
  }

  /**
   * Sets the current content of rows; undefined removes a row.
   *
   * @returns whether anything has changed
   */
  replace(rows: readonly (readonly [id: string, row: Row | undefined])[]): boolean {
    const revision = this.#revision + 1;
    for (const [id, row] of rows) {
      if (row === undefined ? this.#remove(id, revision) : this.#set(id, row, revision)) this.#revision = revision;
    }
    return this.#revision === revision;
  }

  /**
   * Returns what has changed since an earlier answer.
   *
   * @param cursor the cursor of that answer; if it is missing, unknown or too old, all rows are returned
   */
  since(cursor: string | undefined): RowChanges<Row> {
    const [id, text] = (cursor ?? '').split('.');
    const since = id === this.#id && /^\d{1,15}$/.test(text ?? '') ? Number(text) : -1;
    const full = since < this.#forgotten || since > this.#revision;
    return {
      cursor: `${this.#id}.${this.#revision}`,
      full,
      rows: [...this.#rows.values()].filter(({ revision }) => full || revision > since).map(({ row }) => row),
      gone: full ? [] : [...this.#gone].filter(([, revision]) => revision > since).map(([gone]) => gone),
    };
  }

  #set(id: string, row: Row, revision: number): boolean {
    const text = JSON.stringify(row);
    if (this.#rows.get(id)?.text === text) return false;
    this.#rows.set(id, { row, text, revision });
    this.#gone.delete(id);
    return true;
  }

  #remove(id: string, revision: number): boolean {
    if (!this.#rows.delete(id)) return false;
    const [, forgotten] = setNewest(this.#gone, id, revision, MAX_GONE) ?? [];
    if (forgotten !== undefined) this.#forgotten = forgotten;
    return true;
  }
}
