/** The sidebar with the devices of a homie-broker. */
import { el, icon, language, setText, t } from './sidebar-dom.js';
import { sentences } from './sidebar-sentences.js';
import { Feed } from './sidebar-feed.js';
import { Table } from './sidebar-table.js';
import { Update } from './sidebar-update.js';

/** Storage key of the last selected broker in this browser. */
const CHOSEN = 'homie-ota-broker';

/** Fills the sidebar. */
export function open(root) {
  const isWatched = () => root.checkVisibility() && document.visibilityState === 'visible';
  const feed = new Feed(() => refresh(), isWatched);
  const table = new Table(feed);
  const update = RED.user.hasPermission('homie-ota.write') ? new Update(feed) : undefined;
  const note = el('div', { class: 'homie-note homie-connection', role: 'status' });
  const brokers = el('select', {
    'aria-label': t('broker'),
    onchange: ({ target }) => {
      RED.settings.setLocal(CHOSEN, target.value);
      feed.follow(target.value);
      update?.follow();
    },
  });
  const chosen = el('label', { class: 'homie-broker' }, icon('globe'), brokers);
  root.append(chosen, note, table.element, ...(update === undefined ? [] : [update.element]));
  if (update !== undefined) takeDrops(root, update);

  const refresh = () => {
    const text = noteOf(feed);
    setText(note, text);
    note.hidden = text === '';
    table.refresh();
    update?.refresh();
  };

  const list = () => {
    const nodes = [];
    RED.nodes.eachConfig((node) => {
      if (node.type === 'homie-broker') nodes.push(node);
    });
    const label = (node) => RED.utils.getNodeLabel(node, node.id);
    brokers.replaceChildren(...nodes.map((node) => el('option', { value: node.id }, label(node))));
    const known = [feed.broker, RED.settings.getLocal(CHOSEN)].find((id) => nodes.some((node) => node.id === id));
    brokers.value = known ?? nodes[0]?.id ?? '';
    chosen.hidden = nodes.length < 2;
    feed.follow(brokers.value);
  };
  let listing;
  const listSoon = () => {
    clearTimeout(listing);
    listing = setTimeout(list, 200);
  };
  for (const event of ['flows:loaded', 'nodes:add', 'nodes:remove', 'nodes:change', 'deploy']) {
    RED.events.on(event, listSoon);
  }
  new IntersectionObserver(() => feed.look()).observe(root);
  document.addEventListener('visibilitychange', () => feed.look());
  list();
  refresh();
}

/** Returns the text above the table. */
function noteOf({ state, reason, rows, limit }) {
  if (state !== 'connected') return t(`connection.${state}`, { reason: sentences(reason) });
  if (limit !== undefined) return t('limit', { limit: limit.toLocaleString(language()) });
  return rows.size === 0 ? t('empty') : '';
}

/** Accepts a file dropped anywhere in the sidebar. */
function takeDrops(root, update) {
  const hasFile = ({ dataTransfer }) => [...dataTransfer.types].includes('Files');
  let inside = 0;
  const mark = () => root.classList.toggle('homie-dropping', inside > 0);
  const heed = (event, change) => {
    if (!hasFile(event)) return;
    // Otherwise the editor would import the file as a flow.
    event.preventDefault();
    event.stopPropagation();
    inside = change(inside);
    mark();
  };
  root.addEventListener('dragenter', (event) => heed(event, (depth) => depth + 1));
  root.addEventListener('dragleave', (event) => heed(event, (depth) => Math.max(0, depth - 1)));
  root.addEventListener('dragover', (event) => heed(event, (depth) => depth));
  root.addEventListener('drop', (event) => {
    heed(event, () => 0);
    const [file] = event.dataTransfer.files;
    if (file !== undefined) void update.take(file);
  });
}
