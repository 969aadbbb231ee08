import { count, el, icon, progressBar, setText, size, t } from './sidebar-dom.js';
import { PlanList } from './sidebar-plan.js';
import { ask, bring, discard, Failure } from './sidebar-upload.js';

/** Final states of a device. */
const final = ['succeeded', 'skipped', 'failed', 'timed_out', 'rejected', 'canceled'];

/** Accepts a firmware file, shows which devices it would update, and starts the update after confirmation. */
export class Update {
  element = el('section', { class: 'homie-panel', 'aria-label': t('firmware') });
  #feed;
  #input = el('input', { type: 'file', accept: '.bin,.gz', hidden: true, tabindex: '-1', 'aria-hidden': 'true' });
  #bar = progressBar();
  #planned = new PlanList();
  #work = new AbortController();
  /** The file: `{ name, sight, staged, failure }`. */
  #file;
  /** Which devices are selected: all that run the `firmware`, or the `listed` ones. */
  #selected = 'firmware';
  /** The list, as typed. */
  #list = '';
  /** The plan: `{ id, devices, others }`, or `{ failure }`. */
  #plan;
  #confirming = false;
  /** The started update: `{ ids, checksum, title }`. */
  #started;

  constructor(feed) {
    this.#feed = feed;
    this.#input.addEventListener('change', () => {
      const [file] = this.#input.files;
      if (file !== undefined) void this.take(file);
      this.#input.value = '';
    });
    this.render();
  }

  /** Accepts a dropped or selected file, and discards the previous one. */
  async take(file) {
    this.#forget();
    const { signal } = this.#work;
    const isCurrent = () => !signal.aborted;
    this.#file = { name: file.name, size: file.size };
    this.#bar.set(0, t('uploading'));
    this.render('title');
    try {
      const answer = await bring(file, {
        seen: (sight) => {
          this.#file.sight = sight;
          if (isCurrent()) this.render();
        },
        progress: (percent) => isCurrent() && this.#bar.set(percent, t('uploading')),
        signal,
      });
      if (!isCurrent()) return discard(answer.id);
      this.#file.staged = answer;
      await this.#look();
    } catch (failed) {
      if (!isCurrent()) return;
      if (!(failed instanceof Failure)) throw failed;
      this.#file.failure = failed;
      this.render();
    }
  }

  /** Plans again after another broker, with other devices, was selected. */
  follow() {
    if (this.#file?.staged === undefined) this.render();
    else void this.#look();
  }

  /** Shows the progress of the started update. */
  refresh() {
    if (this.#started === undefined) return;
    const { ids, checksum } = this.#started;
    const ended = {};
    let progress = 0;
    for (const id of ids) {
      const update = this.#feed.rows.get(id)?.update;
      if (update?.checksum !== checksum) continue;
      const isFinal = final.includes(update.state);
      progress += isFinal ? 100 : (update.progress ?? 0);
      if (!isFinal) continue;
      const state = update.proven === true ? 'proven' : update.state;
      ended[state] = (ended[state] ?? 0) + 1;
    }
    const all = Object.values(ended).reduce((sum, one) => sum + one, 0);
    this.#bar.set(progress / ids.length, t('running'));
    const said = this.element.querySelector('.homie-said');
    const parts = Object.entries(ended).map(([state, number]) => `${number} ${t(`update.${state}`)}`);
    setText(said, [t('ended', { ended: all, all: ids.length }), ...parts].join(' · '));
    this.element.classList.toggle('homie-ended', all === ids.length);
  }

  /** @param focus the part to focus; by default, the focus stays */
  render(focus) {
    const active = focus ?? this.element.querySelector(':focus')?.dataset.key;
    this.element.classList.remove('homie-ended');
    this.element.replaceChildren(this.#input, ...this.#parts());
    if (active !== undefined) this.element.querySelector(`[data-key="${active}"]`)?.focus();
    this.refresh();
  }

  /** Returns the scrolling content and, below it, the next step, which is always visible. */
  #parts() {
    if (this.#started !== undefined) return this.#progress();
    if (this.#file === undefined) return [this.#dropZone()];
    const { parts, step } = this.#file.staged === undefined ? { parts: [] } : this.#devices();
    const scrolled = el('div', { class: 'homie-scrolled' }, this.#firmware(), ...parts);
    return step === undefined ? [scrolled] : [scrolled, step];
  }

  #dropZone() {
    return el(
      'div',
      { class: 'homie-drop' },
      icon('upload'),
      el('span', {}, t('drop')),
      button('choose', t('choose'), () => this.#input.click()),
    );
  }

  #firmware() {
    const { name: file, sight, staged, failure, size: bytes } = this.#file;
    const { name, version, chip, md5 = '', size: all = bytes } = staged?.firmware ?? sight ?? {};
    const title = name === undefined ? file : [name, version].filter(Boolean).join(' ');
    const facts = { chip, size: size(all), md5, file };
    const given = Object.entries(facts).filter(([, text]) => text !== undefined && text !== '');
    const isComing = failure === undefined && staged === undefined;
    return el(
      'div',
      { class: 'homie-card' },
      el(
        'div',
        { class: 'homie-title' },
        el('strong', { tabindex: '-1', 'data-key': 'title' }, icon('file-code-o'), ' ', title),
        button(
          'close',
          '',
          () => this.#reset(),
          { 'aria-label': t('discard'), title: t('discard'), class: 'homie-plain' },
          icon('times'),
        ),
      ),
      el(
        'dl',
        {},
        ...given.map(([key, text]) =>
          el('div', { class: `homie-${key}` }, el('dt', {}, t(`fact.${key}`)), el('dd', {}, text)),
        ),
      ),
      isComing && this.#bar.element,
      el(
        'div',
        { class: 'homie-verdict', role: 'status', 'data-verdict': failure ? 'bad' : staged ? 'good' : 'open' },
        ...(failure
          ? trouble(failure)
          : [icon(staged ? 'check-circle' : 'spinner'), ' ', t(staged ? 'valid' : 'uploading')]),
      ),
    );
  }

  #devices() {
    if (this.#feed.broker === '') return { parts: [] };
    if (this.#confirming) return this.#shown();
    const { name = '' } = this.#file.staged.firmware;
    const { parts, step } = this.#asked().length === 0 ? { parts: [] } : this.#shown();
    const choices = el(
      'div',
      { class: 'homie-card' },
      el(
        'div',
        { class: 'homie-selection', role: 'radiogroup', 'aria-label': t('selection.legend') },
        this.#choice('firmware', t('selection.firmware', { name })),
        this.#choice('listed', t('selection.listed')),
      ),
      this.#selected === 'listed' &&
        el('input', {
          type: 'text',
          'data-key': 'list',
          'aria-label': t('selection.list'),
          placeholder: t('selection.list'),
          value: this.#list,
          onchange: ({ target }) => {
            this.#list = target.value;
            void this.#look();
          },
        }),
      RED.nodes.node(this.#feed.broker)?.changed === true && note('info-circle', t('undeployedChanges')),
    );
    return { parts: [choices, ...parts], step };
  }

  #choice(value, label) {
    return el(
      'label',
      { class: 'homie-choice' },
      el('input', {
        type: 'radio',
        name: 'homie-sidebar-selection',
        value,
        checked: value === this.#selected,
        'data-key': `select-${value}`,
        onchange: () => {
          this.#selected = value;
          void this.#look();
        },
      }),
      el('span', {}, label),
    );
  }

  /** Returns the selection as the request to Node-RED contains it. */
  #asked() {
    if (this.#selected === 'firmware') return 'firmware';
    return this.#list.split(',').flatMap((id) => id.trim() || []);
  }

  /** Returns the plan for each device, and the buttons that start the update. */
  #shown() {
    if (this.#plan === undefined) return { parts: [note('spinner', t('checking'))] };
    const { failure, devices, others } = this.#plan;
    const again = button('again', t('again'), () => this.#look());
    if (failure !== undefined) {
      const said = el('div', { class: 'homie-verdict', role: 'alert', 'data-verdict': 'bad' }, ...trouble(failure));
      return { parts: [said], step: el('div', { class: 'homie-buttons' }, again) };
    }
    const ids = devices.filter(({ included }) => included);
    const skipped = devices.length - ids.length;
    const summary = [count('included', ids.length), skipped > 0 && count('skipped', skipped)].filter(Boolean).join(' ');
    return {
      parts: [
        el('div', { class: 'homie-summary', role: 'status' }, summary),
        this.#planned.show(devices, this.#file.staged.firmware),
        ...(others > 0 ? [note('info-circle', count('others', others))] : []),
      ],
      step: this.#confirming ? this.#confirmation(ids) : this.#start(ids, again),
    };
  }

  #start(ids, again) {
    return el(
      'div',
      { class: 'homie-buttons' },
      again,
      button(
        'start',
        `${count('start', ids.length)} …`,
        () => {
          this.#confirming = true;
          this.render('sure');
        },
        { class: 'homie-primary', disabled: ids.length === 0 },
      ),
    );
  }

  #confirmation(ids) {
    const { name, version } = this.#file.staged.firmware;
    const firmware = [name ?? this.#file.name, version].filter(Boolean).join(' ');
    return el(
      'div',
      { class: 'homie-confirm', role: 'group', 'aria-label': t('confirm') },
      el(
        'p',
        { tabindex: '-1', 'data-key': 'sure' },
        icon('exclamation-triangle'),
        ' ',
        count('sure', ids.length, { firmware }),
      ),
      el(
        'div',
        { class: 'homie-buttons' },
        button('confirm', t('now'), () => this.#begin(ids.map(({ id }) => id)), { class: 'homie-primary' }),
        button('back', t('back'), () => {
          this.#confirming = false;
          this.render('start');
        }),
      ),
    );
  }

  #progress() {
    const { title } = this.#started;
    return [
      el(
        'div',
        { class: 'homie-card' },
        el(
          'div',
          { class: 'homie-title' },
          el('strong', { tabindex: '-1', 'data-key': 'title' }, title),
          button('close', t('another'), () => this.#reset()),
        ),
        this.#bar.element,
        el('div', { class: 'homie-said', role: 'status' }),
      ),
    ];
  }

  /** Requests a new plan. */
  async #look() {
    this.#plan = undefined;
    this.#confirming = false;
    this.render();
    const question = () => ({ broker: this.#feed.broker, devices: this.#asked() });
    const asked = question();
    if (asked.broker === '' || asked.devices.length === 0) return;
    const { id } = this.#file.staged;
    const isCurrent = () => id === this.#file?.staged?.id && JSON.stringify(asked) === JSON.stringify(question());
    let plan;
    try {
      plan = await ask(`${id}/plan`, asked);
    } catch (failure) {
      plan = { failure };
    }
    if (!isCurrent()) return;
    this.#plan = plan;
    this.render();
  }

  async #begin(ids) {
    const { id, firmware } = this.#file.staged;
    const plan = this.#plan;
    this.#confirming = false;
    try {
      await ask(`${id}/start`, { broker: this.#feed.broker, plan: plan.id });
    } catch (failure) {
      this.#plan = { failure };
      this.render('again');
      return;
    }
    const title = [firmware.name ?? this.#file.name, firmware.version].filter(Boolean).join(' ');
    this.#forget();
    this.#started = { ids, checksum: firmware.md5, title: `${title} · ${count('all', ids.length)}` };
    this.render('title');
  }

  #reset() {
    this.#forget();
    this.render('choose');
  }

  #forget() {
    this.#work.abort();
    this.#work = new AbortController();
    const { staged } = this.#file ?? {};
    if (staged !== undefined && this.#started === undefined) discard(staged.id);
    this.#file = undefined;
    this.#plan = undefined;
    this.#confirming = false;
    this.#started = undefined;
  }
}

/** Ignores the second click of a double click, because the button that it hits has only just appeared. */
function button(key, label, clicked, attributes = {}, ...children) {
  const { class: name = '', ...others } = attributes;
  const onclick = ({ detail }) => {
    if (detail < 2) clicked();
  };
  return el(
    'button',
    { type: 'button', class: `homie-button ${name}`, 'data-key': key, onclick, ...others },
    ...children,
    label,
  );
}

function note(symbol, text) {
  return el('div', { class: 'homie-note' }, icon(symbol), ' ', text);
}

function trouble({ message }) {
  return [icon('exclamation-circle'), ' ', message];
}
