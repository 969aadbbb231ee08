import { arrange, columns } from './sidebar-columns.js';
import { ago, count, el, icon, language, progressBar, setAttribute, setText, t } from './sidebar-dom.js';
import { sentences } from './sidebar-sentences.js';
import { Rows } from './sidebar-rows.js';

/** Minimum width, in px, at which each device fits in one line. */
const WIDE = 620;

const names = Object.keys(columns);

/** The table of devices, with its search and filters. */
export class Table {
  element;
  #feed;
  #query = { text: '', state: '', firmware: '', column: 'name', descending: false };
  #shown = [];
  #active;
  #rows;
  #grid;
  #head;
  #body;
  #counted = el('div', { class: 'homie-counted', role: 'status' });
  #detail = el('section', { class: 'homie-detail', 'aria-label': t('detail'), hidden: true });
  #filters = {};

  constructor(feed) {
    this.#feed = feed;
    this.#head = el(
      'div',
      { class: 'homie-head', role: 'row', 'aria-rowindex': '1' },
      ...names.map((name) => this.#header(name)),
    );
    this.#body = el('div', { class: 'homie-body', role: 'rowgroup' });
    this.#grid = el(
      'div',
      {
        class: 'homie-grid',
        role: 'grid',
        tabindex: '0',
        'aria-label': t('devices'),
        'aria-colcount': String(names.length),
        onkeydown: (event) => this.#key(event),
      },
      el('div', { class: 'homie-heads', role: 'rowgroup' }, this.#head),
      this.#body,
    );
    this.#rows = new Rows(this.#grid, this.#body, {
      key: ({ id }) => id,
      make: (row) => this.#make(row),
      height: () => (this.element.classList.contains('homie-wide') ? 30 : 46),
      above: () => this.#head.offsetHeight,
    });
    this.element = el('div', { class: 'homie-table' }, this.#tools(), this.#grid, this.#counted, this.#detail);
    new ResizeObserver(() => {
      this.element.classList.toggle('homie-wide', this.element.clientWidth >= WIDE);
      this.#rows.refresh();
    }).observe(this.element);
    // Keeps relative times current.
    setInterval(() => this.#rows.refresh(), 15_000);
    this.#sorted();
  }

  /** Shows the current rows of the feed. */
  refresh() {
    const rows = [...this.#feed.rows.values()];
    this.#choices('state', rows, (state) => t(`state.${state}`));
    this.#choices('firmware', rows, (firmware) => firmware);
    this.#shown = arrange(rows, this.#query);
    setAttribute(this.#grid, 'aria-rowcount', String(this.#shown.length + 1));
    const all = rows.length.toLocaleString(language());
    setText(
      this.#counted,
      this.#shown.length === rows.length ? count('all', rows.length) : count('some', this.#shown.length, { all }),
    );
    this.#rows.show(this.#shown);
    this.#describe();
  }

  #tools() {
    const changed = (name) => (event) => {
      this.#query[name] = event.target.value;
      this.#grid.scrollTop = 0;
      this.refresh();
    };
    for (const name of ['state', 'firmware']) {
      this.#filters[name] = el('select', { 'aria-label': t(`filter.${name}`), onchange: changed(name) });
    }
    const search = el('input', {
      type: 'search',
      placeholder: t('search'),
      'aria-label': t('search'),
      oninput: changed('text'),
    });
    return el('div', { class: 'homie-tools' }, search, this.#filters.state, this.#filters.firmware);
  }

  /** Fills a filter with all current values, and the selected value even if no device has it now. */
  #choices(name, rows, label) {
    const select = this.#filters[name];
    const chosen = this.#query[name];
    const values = [...new Set([...rows.map((row) => row[name]), chosen])]
      .filter(Boolean)
      .sort((a, b) => a.localeCompare(b));
    const present = [...select.options].slice(1).map(({ value }) => value);
    if (select.options.length > 0 && values.join('\n') === present.join('\n')) return;
    const options = values.map((value) => el('option', { value }, label(value)));
    select.replaceChildren(el('option', { value: '' }, t(`any.${name}`)), ...options);
    select.value = chosen;
  }

  #header(name) {
    const button = el(
      'button',
      { type: 'button', onclick: () => this.#sort(name) },
      el('span', {}, t(`column.${name}`)),
      icon('sort'),
    );
    return el('div', { class: `homie-cell homie-${name}`, role: 'columnheader' }, button);
  }

  #sort(column) {
    const { column: before, descending } = this.#query;
    this.#query.column = column;
    this.#query.descending = before === column && !descending;
    this.#sorted();
    this.refresh();
  }

  #sorted() {
    for (const [index, name] of names.entries()) {
      const cell = this.#head.children[index];
      const isIt = name === this.#query.column;
      const direction = this.#query.descending ? 'descending' : 'ascending';
      setAttribute(cell, 'aria-sort', isIt ? direction : 'none');
      const mark = isIt ? (this.#query.descending ? 'sort-desc' : 'sort-asc') : 'sort';
      cell.querySelector('i').className = `fa fa-${mark}`;
    }
  }

  /** Creates the row of a device. */
  #make({ id }) {
    const cell = (name, ...children) =>
      el('div', { class: `homie-cell homie-${name}`, role: name === 'name' ? 'rowheader' : 'gridcell' }, ...children);
    const line = (...cells) => el('div', { class: 'homie-line', role: 'presentation' }, ...cells);
    const dot = el('span', { class: 'homie-dot', 'aria-hidden': 'true' });
    const text = Object.fromEntries(names.map((name) => [name, el('span')]));
    const other = el('span', { class: 'homie-other' });
    const bar = progressBar();
    const mark = icon('circle-o');
    const element = el(
      'div',
      { class: 'homie-row', role: 'row', onclick: () => this.#activate(id === this.#active ? undefined : id) },
      line(cell('name', dot, text.name, ' ', other), cell('update', mark, text.update, bar.element)),
      line(...['state', 'firmware', 'version', 'checksum', 'seen'].map((name) => cell(name, text[name]))),
    );
    const update = (row, index) => {
      element.id = `homie-row-${index}`;
      setAttribute(element, 'aria-rowindex', String(index + 2));
      setAttribute(element, 'aria-selected', String(row.id === this.#active));
      setAttribute(dot, 'data-state', row.state);
      setText(text.name, row.name ?? row.id);
      setText(other, row.name === undefined || row.name === row.id ? '' : row.id);
      setAttribute(text.name.parentElement, 'title', `${row.name ?? ''} ${row.id}`.trim());
      setText(text.state, t(`state.${row.state}`));
      setText(text.firmware, row.firmware ?? '');
      setAttribute(text.firmware.parentElement, 'title', row.firmware);
      setText(text.version, row.version ?? '');
      setText(text.checksum, row.checksum?.slice(0, 7) ?? '');
      setText(text.seen, row.seen === undefined ? '' : ago(row.seen, this.#feed.now));
      const { label, symbol, title } = describeUpdate(row.update);
      setText(text.update, label);
      setAttribute(text.update.parentElement, 'title', title ?? label);
      mark.className = `fa fa-${symbol}`;
      mark.hidden = symbol === '';
      setAttribute(text.update.parentElement, 'data-update', row.update?.state);
      const isRunning = row.update?.state === 'running';
      bar.element.hidden = !isRunning;
      if (isRunning) bar.set(row.update.progress ?? 0, t('progress', { device: row.name ?? row.id }));
    };
    return { element, update };
  }

  #key(event) {
    if (event.target !== this.#grid) return;
    const index = this.#shown.findIndex(({ id }) => id === this.#active);
    const page = Math.max(1, Math.floor(this.#grid.clientHeight / 46) - 1);
    const to = {
      ArrowDown: index + 1,
      ArrowUp: index - 1,
      PageDown: index + page,
      PageUp: index - page,
      Home: 0,
      End: Infinity,
    }[event.key];
    if (event.key === 'Escape') this.#activate(undefined);
    else if (to === undefined || this.#shown.length === 0) return;
    else {
      const next = Math.min(Math.max(to, 0), this.#shown.length - 1);
      this.#activate(this.#shown[next].id);
      this.#rows.reveal(next);
    }
    event.preventDefault();
    event.stopPropagation();
  }

  #activate(id) {
    this.#active = id;
    this.#rows.refresh();
    this.#describe();
  }

  /** Shows all details of the selected device. */
  #describe() {
    const index = this.#shown.findIndex(({ id }) => id === this.#active);
    const row = this.#shown[index];
    setAttribute(this.#grid, 'aria-activedescendant', row === undefined ? undefined : `homie-row-${index}`);
    this.#detail.hidden = row === undefined;
    if (row === undefined) return;
    const { label, title } = describeUpdate(row.update);
    // A screen reader would announce a moving bar all the time.
    setAttribute(this.#detail, 'aria-live', row.update?.state === 'running' ? 'off' : 'polite');
    const facts = {
      name: row.name ?? row.id,
      id: row.id,
      state: t(`state.${row.state}`),
      firmware: [row.firmware, row.version].filter(Boolean).join(' '),
      checksum: row.checksum,
      seen: row.seen === undefined ? t('unseen') : new Date(row.seen).toLocaleString(language()),
      update: [label, title].filter(Boolean).join(': '),
    };
    const given = Object.entries(facts).filter(([, text]) => text !== undefined && text !== '');
    const text = given.map(([, value]) => value).join('\n');
    if (this.#detail.dataset.text === text) return;
    this.#detail.dataset.text = text;
    this.#detail.replaceChildren(
      el(
        'dl',
        {},
        ...given.flatMap(([name, value]) => [
          el('dt', {}, t(`column.${name}`)),
          el('dd', { class: `homie-${name}` }, value),
        ]),
      ),
    );
  }
}

const symbols = {
  available: 'arrow-circle-up',
  queued: 'clock-o',
  waiting: 'clock-o',
  succeeded: 'check-circle',
  failed: 'exclamation-circle',
  timed_out: 'exclamation-circle',
  rejected: 'ban',
  canceled: 'times-circle',
  skipped: 'minus-circle',
  held: 'minus-circle',
  newer_installed: 'minus-circle',
};

/** Returns the update of a device in words. */
function describeUpdate(update) {
  if (update === undefined) return { label: '', symbol: '' };
  const { state, phase, progress = 0, version = '', reason, error, proven } = update;
  if (state === 'running') {
    const label = phase === 'flashing' ? `${progress} %` : t(`phase.${phase ?? 'sending'}`);
    return { label, symbol: '', title: `${t(`phase.${phase ?? 'sending'}`)} ${progress} %` };
  }
  const label =
    proven === true
      ? t('update.proven')
      : reason === undefined
        ? t(`update.${state}`, { version }).trim()
        : t(`reason.${reason}`);
  return { label, symbol: symbols[state] ?? '', title: error && sentences(error) };
}
