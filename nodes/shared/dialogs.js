// Code shared by the dialogs of the nodes. The build bundles it into resources/dialogs.js. Every dialog loads it, because
// when a package is installed in a running editor, any of them may load first.
import { isDeviceIdOrPattern } from '../../src/homie/device-id';
import { migrate } from '../../src/settings/migrations';
import { catalogueOf, nodes, rollout } from '../../src/settings/table';
import { similarNames } from '../../src/similar';
import { sentences } from './sentences';
import { holdsVariable, isVariable } from './variable';

/** Returns a function that looks up the texts of a node by key, in the language of the editor. */
function texts(type) {
  return (key, values) => RED._('@homie-ota/node-red-homie-ota/' + type + ':' + type + '.' + key, values);
}

const t = texts('homie-broker');

function trimmed(value) {
  return String(value ?? '').trim();
}

/** Returns a setting of a node, and the texts of its section. */
function findSetting(type, name) {
  const { own, sections } = nodes[type];
  const section = [own, ...Object.values(sections)].find((each) => name in each);
  return { setting: section[name], own: texts(catalogueOf(type, section)) };
}

/**
 * Returns validators for the properties of a node. They accept the same values as the node and describe an error in a
 * sentence that starts with the label of the field. Every field may contain environment variables.
 */
function validators(type) {
  return {
    /** For a setting of the table. */
    setting: (name) => {
      const { setting, own } = findSetting(type, name);
      const { kind, least, most, choices = [] } = setting;
      // The editor accepts a sentence only from a function with two parameters.
      return function (value, _options) {
        const text = trimmed(value);
        if (text === '' || holdsVariable(String(value)) || setting.read(text) !== undefined) return true;
        return own('label.' + name) + ': ' + t('validate.' + kind, { least, most, words: choices.join(', ') });
      };
    },
    /** For the version of the settings. */
    version: (settingsVersion, _options) =>
      migrate(type, { settingsVersion }) !== undefined || t('validate.settingsVersion'),
    /** For the device field, in the open dialog or else as saved. `needed` returns the text for an empty field. */
    device: (needed) => {
      const own = texts(type);
      return function (value, _options) {
        const field = $('#node-input-deviceType');
        const kind = field.closest('.' + type + '-form').length > 0 ? field.val() : this.deviceType;
        if (kind === 'all') return true;
        const text = trimmed(value);
        const say = (sentence) => own('label.device') + ': ' + sentence;
        if (text === '') return say(needed());
        if (holdsVariable(String(value))) return true;
        if (kind === 'msg') return RED.utils.validatePropertyExpression(text) || say(t('validate.expression'));
        const each = text.split(',').every((name) => isDeviceIdOrPattern(name.trim()));
        return kind !== 'str' || each || say(t('validate.devices'));
      };
    },
  };
}

/** The style of the label of a node in the workspace: that of a name that the user has given. */
function labelStyle() {
  return this.name ? 'node_label_italic' : '';
}

/** Makes the edit and add buttons beside a config node accessible by keyboard. */
function reachTools(form) {
  for (const [kind, text] of [
    ['edit', t('tool.edit')],
    ['add', t('tool.add')],
  ]) {
    form
      .find('a[id$="-' + kind + '"].red-ui-button')
      .addClass('homie-tool')
      .attr({ role: 'button', tabindex: 0, 'aria-label': text })
      .on('keydown', function (event) {
        if (event.key !== 'Enter' && event.key !== ' ') return;
        event.preventDefault();
        this.click();
      });
  }
}

/** Gives typed inputs the label of their field. */
function labelTypedInputs(form) {
  form.find('.red-ui-typedInput-container').each(function () {
    const label = $(this).closest('.form-row').children('label');
    const id = label.attr('for');
    const [input, button, chosen] = ['input', 'option-trigger', 'option-label'].map((part) =>
      $(this).find('.red-ui-typedInput-' + part),
    );
    label.attr('id', id + '-label').on('click', () => input.add(button).filter(':visible').trigger('focus'));
    chosen.attr('id', id + '-chosen');
    input.attr('aria-labelledby', id + '-label');
    button.attr('aria-labelledby', id + '-label ' + id + '-chosen');
  });
}

/** Makes a dialog accessible to screen readers: links fields with their labels and hints, and marks buttons. */
function describe(type) {
  const form = $('.' + type + '-form');
  form.find('.homie-hint').each(function (index) {
    const row = $(this).closest('.form-row, .homie-check, .homie-number-row');
    if (!this.id) this.id = type + '-hint-' + index;
    row.find('input, select, .red-ui-typedInput-option-trigger').attr('aria-describedby', this.id);
  });
  labelTypedInputs(form);
  reachTools(form);
}

/** Returns the prefix of the ids of the fields of a node. */
function prefixOf(type) {
  return RED.nodes.getType(type).category === 'config' ? 'node-config-input-' : 'node-input-';
}

/**
 * Shows the properties of a node that an older version has made as the node reads them, and the default of each property
 * that a flow omits because it was not created in the editor.
 */
function showUsual(node, type) {
  const values = migrate(type, node) ?? node;
  for (const [name, { value, type: needed }] of Object.entries(RED.nodes.getType(type).defaults)) {
    if (values[name] === node[name] && (node[name] !== undefined || needed !== undefined)) continue;
    const field = $('#' + prefixOf(type) + name);
    const shown = values[name] ?? value;
    if (field.is(':checkbox')) field.prop('checked', shown);
    else field.val(shown);
  }
}

/** Opens the sections of a dialog that contain a changed setting. */
function showSections(node, type) {
  const prefix = prefixOf(type);
  const isUsual = ([name, { value }]) => String(node[name] ?? value) === String(value);
  const changed = Object.entries(RED.nodes.getType(type).defaults).filter((each) => !isUsual(each));
  $('.' + type + '-form details').each(function () {
    $(this).prop(
      'open',
      changed.some(([name]) => $(this).find('#' + prefix + name).length > 0),
    );
  });
}

/** Shows the default of `expires`, which is longer with a window. */
function showExpiry(type) {
  const { usual, withWindow } = rollout.expires;
  const field = (name) => $('#' + prefixOf(type) + name);
  field('window')
    .on('input change', function () {
      field('expires').attr('placeholder', trimmed($(this).val()) === '' ? usual : withWindow);
    })
    .trigger('change');
}

/**
 * Makes the button of an open dialog test the settings in its fields, and shows the result.
 *
 * @param test.url to which the settings are sent
 * @param test.names of the properties that are sent, separated by spaces
 * @param test.text returns the text of a key: `running`, `forbidden`, `busy` or `failed`
 * @param test.found returns for a result whether it is `good` or `bad`, or an empty string, and the text to show
 */
function offerTest({ id, type }, { url, names, text, found }) {
  const answer = $('#' + type + '-answer');
  const say = (mood, said) => answer.attr('data-mood', mood).text(said);
  const valueOf = (name) => {
    const field = $('#' + prefixOf(type) + name);
    const value = field.is(':checkbox') ? field.is(':checked') : (field.val() ?? '');
    return value === '_ADD_' ? '' : value;
  };
  $('#' + type + '-test').on('click', function () {
    const button = $(this).prop('disabled', true);
    const typed = Object.fromEntries(names.split(' ').map((name) => [name, valueOf(name)]));
    say('', text('running'));
    $.ajax({ url, method: 'POST', contentType: 'application/json', data: JSON.stringify({ id, ...typed }) })
      .done((result) => say(...found(result)))
      .fail(({ status }) => {
        const reasons = { 401: 'forbidden', 403: 'forbidden', 429: 'busy' };
        say('bad', text(reasons[status] ?? 'failed'));
      })
      .always(() => button.prop('disabled', false));
  });
}

/**
 * The devices that the test of a homie-broker found, by the id of the node: `{ id, name, firmware, version, state }`,
 * at most 200. Used until the node is deployed. Names come from the broker and are untrusted.
 */
window.homieTested = window.homieTested ?? {};

window.homieDialogs = {
  texts,
  sentences,
  similarNames,
  validators,
  isVariable,
  labelStyle,
  describe,
  showUsual,
  showSections,
  showExpiry,
  offerTest,
};
