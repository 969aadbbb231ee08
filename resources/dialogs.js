// What the dialogs of the nodes have in common. Each of their files loads it: when a package is installed in a running
// editor, any of them may be the first.
(function () {
  /** The texts of a node in the language of the editor, by their keys. */
  function texts(type) {
    return (key, values) => RED._('@homie-ota/node-red-homie-ota/' + type + ':' + type + '.' + key, values);
  }

  const t = texts('homie-broker');

  function trimmed(value) {
    return String(value ?? '').trim();
  }

  function names(value) {
    return trimmed(value)
      .split(',')
      .map((name) => name.trim())
      .filter((name) => name !== '');
  }

  /** An id, or a pattern with `*`. */
  function isDevice(name) {
    return /^\*+$/.test(name) || /^[^+#/$\s][^+#/\s]*$/.test(name.replaceAll('*', ''));
  }

  function isNumber(text) {
    return /^(\d+(\.\d+)?)?$/.test(text);
  }

  function isWhole(text, least, most) {
    return text === '' || (/^\d+$/.test(text) && Number(text) >= least && Number(text) <= most);
  }

  /** Spans of the day with commas between them. */
  function isWindow(text) {
    const span = /^\s*([01]?\d|2[0-3]):([0-5]\d)\s*-\s*(?:([01]?\d|2[0-3]):([0-5]\d)|24:00)\s*$/;
    const isSpan = (part) => {
      const [, hour, minute, untilHour, untilMinute] = span.exec(part) ?? [];
      return hour !== undefined && (Number(hour) !== Number(untilHour) || minute !== untilMinute);
    };
    return text === '' || text.split(',').every(isSpan);
  }

  /**
   * Validators for the properties of a node, each by the name of its property. They say what is wrong in a sentence
   * that begins with the label of the field.
   */
  function validators(type) {
    const own = texts(type);
    // The editor takes a sentence only from a function of two parameters.
    const check = (name, fits, sentence) =>
      function (value, _options) {
        return fits(trimmed(value)) || own('label.' + name) + ': ' + sentence();
      };
    const isList = (text) => names(text).every(isDevice);
    return {
      /** Seconds; the part of a second is allowed. */
      seconds: (name) => check(name, isNumber, () => t('validate.seconds')),
      days: (name) => check(name, isNumber, () => t('validate.days')),
      /** A whole number, or nothing. */
      whole: (name, least, most) =>
        check(
          name,
          (text) => isWhole(text, least, most),
          () => t('validate.whole', { least, most }),
        ),
      /** Ids and patterns with commas between them, or nothing. */
      devices: (name) => check(name, isList, () => t('validate.devices')),
      times: (name) => check(name, isWindow, () => t('validate.times')),
      /** Some words of a few, with commas between them. */
      someOf: (name, words) =>
        check(
          name,
          (text) => names(text).every((word) => words.includes(word)),
          () => t('validate.someOf', { words: words.join(', ') }),
        ),
      /** Where a node finds its devices: what stands in the open dialog, or what is saved. `needed` says what to give. */
      device: (needed) =>
        function (value, _options) {
          const field = $('#node-input-deviceType');
          const kind = field.closest('.' + type + '-form').length > 0 ? field.val() : this.deviceType;
          if (kind === 'all') return true;
          const text = trimmed(value);
          const say = (sentence) => own('label.device') + ': ' + sentence;
          if (text === '') return say(needed());
          if (kind === 'msg') return RED.utils.validatePropertyExpression(text) || say(t('validate.expression'));
          const each = text.split(',').every((name) => isDevice(name.trim()));
          return kind !== 'str' || each || say(t('validate.devices'));
        },
    };
  }

  /** Lets the pen and the plus beside a config node be used without a mouse. */
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

  /** Gives typed inputs the label of the field that they stand for. */
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

  /** Makes a dialog known to those who do not see it: what belongs to a field, and what can be pressed. */
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

  /** A flow that was not made in the editor may leave something out: shows what is usual there. */
  function showUsual(node, type) {
    const { category, defaults } = RED.nodes.getType(type);
    const prefix = category === 'config' ? '#node-config-input-' : '#node-input-';
    for (const [name, { value, type: needed }] of Object.entries(defaults)) {
      if (node[name] !== undefined || needed !== undefined) continue;
      const field = $(prefix + name);
      if (field.is(':checkbox')) field.prop('checked', value);
      else field.val(value);
    }
  }

  /**
   * Opens the folded parts of a dialog in which something is not as in a new node.
   *
   * @param sections the names of the properties in each
   */
  function showSections(node, type, sections) {
    const { defaults } = RED.nodes.getType(type);
    const isUsual = (name) => String(node[name] ?? defaults[name].value) === String(defaults[name].value);
    for (const [section, properties] of Object.entries(sections)) {
      $('#' + type + '-' + section).prop('open', !properties.every(isUsual));
    }
  }

  /** With a window devices are waited for longer, unless it is said how long. */
  function showExpiry() {
    const expires = $('#node-input-expires');
    $('#node-input-window')
      .on('input change', function () {
        expires.attr('placeholder', $(this).val().trim() === '' ? '3600' : '259200');
      })
      .trigger('change');
  }

  window.homieDialogs = { texts, validators, describe, showUsual, showSections, showExpiry };
})();
