import { el, icon, setAttribute, setText, t } from './sidebar-dom.js';
import { sentences } from './sidebar-sentences.js';
import { Rows } from './sidebar-rows.js';

const HEIGHT = 40;

/** Lists what the update would do to each device. Devices to be updated come first. */
export class PlanList {
  #body = el('div', { class: 'homie-body', role: 'list' });
  #element = el(
    'div',
    { class: 'homie-plan', tabindex: '0', role: 'group', 'aria-label': t('planned'), 'data-key': 'plan' },
    this.#body,
  );
  #version = '';
  #rows = new Rows(this.#element, this.#body, {
    key: ({ id }) => id,
    make: () => this.#make(),
    height: () => HEIGHT,
    above: () => 0,
  });

  /** @returns the element */
  show(devices, { version = '' }) {
    this.#version = version;
    this.#element.style.height = `${Math.min(devices.length, 5) * HEIGHT + 2}px`;
    this.#rows.show([...devices].sort((a, b) => Number(b.included) - Number(a.included)));
    return this.#element;
  }

  #make() {
    const name = el('span', { class: 'homie-plan-name' });
    const change = el('span', { class: 'homie-plan-change' });
    const verdict = el('span', { class: 'homie-plan-verdict' });
    const mark = icon('check');
    const element = el('div', { class: 'homie-planned', role: 'listitem' }, mark, name, change, verdict);
    const update = (device, index) => {
      const { id, name: own, from, verdict: is, says, included } = device;
      setAttribute(element, 'aria-setsize', String(this.#rows.length));
      setAttribute(element, 'aria-posinset', String(index + 1));
      setAttribute(element, 'data-included', String(included));
      setAttribute(element, 'title', sentences(says));
      mark.className = `fa fa-${included ? 'check' : 'minus'}`;
      setText(name, own === undefined || own === id ? id : `${own} (${id})`);
      setText(change, included ? [from.version, this.#version].filter(Boolean).join(' → ') : (from.version ?? ''));
      setText(verdict, t(`verdict.${is}`));
    };
    return { element, update };
  }
}
