import { count, el, icon, progressBar, setText, size, t } from './sidebar-dom.js';
import { PlanList } from './sidebar-plan.js';
import { ask, bring, discard, Failure } from './sidebar-upload.js';

/** States in which nothing more becomes of a device. */
const final = ['succeeded', 'skipped', 'failed', 'timed_out', 'rejected', 'canceled'];

/** Takes a firmware, shows for which devices it is meant, and starts the update when that is confirmed. */
export class Update {
  element = el('section', { class: 'homie-panel', 'aria-label': t('firmware') });
  #feed;
  #input = el('input', { type: 'file', accept: '.bin,.gz', hidden: true, tabindex: '-1', 'aria-hidden': 'true' });
  #bar = progressBar();
  #list = new PlanList();
  #work = new AbortController();
  /** The file: `{ name, sight, staged, failure }`. */
  #file;
  #node = '';
  #meant = 'node';
  /** What is shown: `{ id, devices, others }`, or `{ failure }`. */
  #plan;
  #confirming = false;
  /** What was started: `{ ids, checksum, title }`. */
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

  /** Takes a file that was dropped or chosen, and forgets the one before. */
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

  /** Another broker was chosen: its nodes are others. */
  follow() {
    if (this.#file?.staged === undefined) this.render();
    else void this.#look();
  }

  /** Shows how far what was started is. */
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

  /** @param focus the part that gets the focus; otherwise what has it keeps it */
  render(focus) {
    const active = focus ?? this.element.querySelector(':focus')?.dataset.key;
    this.element.classList.remove('homie-ended');
    this.element.replaceChildren(this.#input, ...this.#parts());
    if (active !== undefined) this.element.querySelector(`[data-key="${active}"]`)?.focus();
    this.refresh();
  }

  /** What scrolls, and below it the next step, which is always in sight. */
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
          : [icon(staged ? 'check-circle' : 'spinner'), ' ', t(staged ? 'sound' : 'uploading')]),
      ),
    );
  }

  #devices() {
    const nodes = this.#nodes();
    if (nodes.length === 0) return { parts: [note('info-circle', t('noNode'))] };
    if (this.#confirming) return this.#shown();
    const chooseNode = el(
      'select',
      {
        id: 'homie-sidebar-node',
        'data-key': 'node',
        onchange: ({ target }) => {
          this.#node = target.value;
          void this.#look();
        },
      },
      ...nodes.map((node) => el('option', { value: node.id, selected: node.id === this.#node }, labelOf(node))),
    );
    const { name = '' } = this.#file.staged.firmware;
    const choice = (value, label) =>
      el(
        'label',
        { class: 'homie-choice' },
        el('input', {
          type: 'radio',
          name: 'homie-sidebar-meant',
          value,
          checked: value === this.#meant,
          'data-key': `meant-${value}`,
          onchange: () => {
            this.#meant = value;
            void this.#look();
          },
        }),
        el('span', {}, label),
      );
    const isChanged = nodes.some(({ id, changed }) => id === this.#node && changed);
    const { parts, step } = this.#shown();
    const choices = el(
      'div',
      { class: 'homie-card' },
      el('label', { class: 'homie-with', for: 'homie-sidebar-node' }, t('with'), chooseNode),
      isChanged && note('info-circle', t('undeployedChanges')),
      el(
        'div',
        { class: 'homie-meant', role: 'radiogroup', 'aria-label': t('meant.legend') },
        choice('node', t('meant.node')),
        choice('firmware', t('meant.firmware', { name })),
      ),
    );
    return { parts: [choices, ...parts], step };
  }

  /** What would become of each device, and the two clicks that start it. */
  #shown() {
    if (this.#plan === undefined) return { parts: [note('spinner', t('checking'))] };
    const { failure, devices, others } = this.#plan;
    const again = button('again', t('again'), () => this.#look());
    if (failure !== undefined) {
      const said = el('div', { class: 'homie-verdict', role: 'alert', 'data-verdict': 'bad' }, ...trouble(failure));
      return { parts: [said], step: el('div', { class: 'homie-buttons' }, again) };
    }
    const ids = devices.filter(({ included }) => included);
    const left = devices.length - ids.length;
    const summary = [count('included', ids.length), left > 0 && count('left', left)].filter(Boolean).join(' ');
    return {
      parts: [
        el('div', { class: 'homie-summary', role: 'status' }, summary),
        this.#list.show(devices, this.#file.staged.firmware),
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
    const node = labelOf(this.#nodes().find(({ id }) => id === this.#node));
    const firmware = [name ?? this.#file.name, version].filter(Boolean).join(' ');
    return el(
      'div',
      { class: 'homie-confirm', role: 'group', 'aria-label': t('confirm') },
      el(
        'p',
        { tabindex: '-1', 'data-key': 'sure' },
        icon('exclamation-triangle'),
        ' ',
        count('sure', ids.length, { firmware, node }),
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

  /** Asks what the update would do. */
  async #look() {
    const nodes = this.#nodes();
    if (!nodes.some(({ id }) => id === this.#node)) this.#node = nodes[0]?.id ?? '';
    this.#plan = undefined;
    this.#confirming = false;
    this.render();
    if (this.#node === '') return;
    const asked = `${this.#file.staged.id} ${this.#node} ${this.#meant}`;
    const isCurrent = () => asked === `${this.#file?.staged?.id} ${this.#node} ${this.#meant}`;
    let plan;
    try {
      plan = await ask(`${this.#file.staged.id}/plan`, { node: this.#node, devices: this.#meant });
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
      await ask(`${id}/start`, { node: this.#node, plan: plan.id });
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

  /** The nodes of the flow that could do it; those of a subflow exist in its instances only. */
  #nodes() {
    return RED.nodes
      .filterNodes({ type: 'homie-ota' })
      .filter(({ broker, d, z }) => broker === this.#feed.broker && !d && !RED.nodes.subflow(z));
  }
}

/** The node, and the flow in which it is. */
function labelOf(node) {
  const flow = RED.nodes.workspace(node.z)?.label;
  return [RED.utils.getNodeLabel(node, node.id), flow].filter(Boolean).join(' – ');
}

/** The second half of a double click does nothing: it was not meant for what has come into this place. */
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

function trouble({ message, hint }) {
  return [icon('exclamation-circle'), ' ', message, hint ? ` ${hint}` : ''];
}
