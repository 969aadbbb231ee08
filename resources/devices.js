/** Suggests the devices of a homie-broker in the device fields of dialogs, and says which ids it has never seen. */
(function () {
  const t = (key, values) => RED._('@homie-ota/node-red-homie-ota/homie-broker:homie-broker.devices.' + key, values);

  /** Maximum number of suggestions; typing more narrows the list. */
  const MOST = 50;

  /** How long an answer of the server is reused while someone types, in ms. */
  const GOOD = 2000;

  let last = { broker: '', at: -Infinity, offer: undefined };

  /** Maximum number of devices that a connection test reports. */
  const MOST_TESTED = 200;

  /** Returns what a broker offers; until it is deployed, what its connection test found. */
  async function offerOf(broker) {
    const offer = await ask(broker);
    const tested = window.homieTested[broker];
    if (offer.state !== 'undeployed' || tested === undefined || tested.length === 0) return offer;
    return { state: 'tested', devices: tested, incomplete: tested.length >= MOST_TESTED };
  }

  function ask(broker) {
    if (last.broker === broker && performance.now() - last.at < GOOD) return last.offer;
    const offer = Promise.resolve($.getJSON('homie-ota/brokers/' + encodeURIComponent(broker) + '/devices')).catch(
      (failed) => ({ state: failed.status === 401 || failed.status === 403 ? 'forbidden' : 'failed', devices: [] }),
    );
    last = { broker, at: performance.now(), offer };
    return offer;
  }

  /** Returns a line of the list. It is text only, because anyone who may publish on the broker chooses the names. */
  function line(...parts) {
    const row = $('<div>', { class: 'homie-offer' });
    for (const [name, text] of parts)
      if (text)
        $('<span>', { class: 'homie-offer-' + name })
          .text(text)
          .appendTo(row);
    return row;
  }

  function fits({ id, name, firmware, version, state }, text) {
    return [id, name, firmware, version, state].some((each) => each && each.toLowerCase().includes(text));
  }

  async function search(broker, value) {
    const before = value.slice(0, value.lastIndexOf(',') + 1);
    const typed = value.slice(before.length).trim().toLowerCase();
    const { state, reason, limit, devices } = broker ? await offerOf(broker) : { state: 'none', devices: [] };
    const named = new Set(before.split(',').map((id) => id.trim()));
    // The field would read an id with a comma as several ids.
    const found = devices
      .filter(({ id }) => !named.has(id) && !id.includes(','))
      .filter((device) => fits(device, typed));
    // The field already contains the only suggestion.
    if (found.length === 1 && found[0].id.toLowerCase() === typed) return [];
    const lines = found.slice(0, MOST).map((device) => ({
      value: before + (before === '' ? '' : ' ') + device.id,
      label: line(
        ['id', device.id],
        ['name', device.name === device.id ? '' : device.name],
        ['firmware', [device.firmware, device.version].filter(Boolean).join(' ')],
        ['state', device.state],
      ),
    }));
    const note =
      found.length > MOST
        ? t('more', { count: found.length - MOST })
        : noteOf({ state, reason, limit, devices }, found);
    return note ? [...lines, { value, label: line(['note', note]) }] : lines;
  }

  function noteOf({ state, reason, limit, devices }, found) {
    if (state !== 'connected') return t(state, { reason: reason && homieDialogs.sentences([reason]) });
    if (limit) return t('limit', { limit });
    if (devices.length === 0) return t('empty');
    return found.length === 0 ? t('unmatched') : '';
  }

  /** Returns the id of the selected broker in the open dialog. */
  function chosen() {
    const id = $('#node-input-broker').val();
    return id === '_ADD_' ? '' : id;
  }

  /** Returns a sentence about the ids in the device field that the broker has never seen; empty if there are none. */
  async function unseen(broker, type, value) {
    if (!broker || type !== 'str') return '';
    const { state, limit, incomplete, devices } = await offerOf(broker);
    if ((state !== 'connected' && state !== 'tested') || limit || incomplete) return '';
    const known = devices.map(({ id }) => id);
    const ids = value.split(',').map((id) => id.trim());
    // The value of a pattern or an environment variable is not known here.
    const unknown = ids.filter((id) => id !== '' && !/[*$]/.test(id) && !known.includes(id));
    if (unknown.length === 0) return '';
    const [similar] = unknown.length === 1 ? homieDialogs.similarNames(unknown[0], known) : [];
    const said = t('unseen', { ids: unknown.join(', ') });
    return similar === undefined ? said : said + ' ' + t('similar', { id: similar });
  }

  async function complete(value, done) {
    done(await search(chosen(), value));
  }

  /** Says below the device field of the open dialog which of its ids the broker has never seen. */
  window.homieDeviceNote = function () {
    const field = $('#node-input-device');
    const note = $('<div>', { class: 'homie-hint homie-unseen', role: 'status' });
    note.appendTo(field.closest('.form-row'));
    let latest = 0;
    const look = async () => {
      const own = (latest += 1);
      const text = await unseen(chosen(), field.typedInput('type'), field.typedInput('value'));
      if (own === latest) note.text(text);
    };
    field.add('#node-input-broker').on('change', () => void look());
    void look();
  };

  /**
   * Returns the type of a typed input for device ids, separated by commas.
   *
   * @param label of the type
   */
  window.homieDeviceType = function (label) {
    return {
      value: 'str',
      label,
      icon: 'red/images/typedInput/az.svg',
      autoComplete: function (value, done) {
        void complete(value, done);
      },
    };
  };

  /**
   * Makes the device field of a node with jobs a typed input. Its hint depends on the type.
   *
   * @param hints by the type; `other` for each type that has none
   * @param more types
   */
  window.homieDeviceField = function (node, label, hints, more = []) {
    const hint = $('#' + node.type + '-device-hint');
    $('#node-input-device')
      .typedInput({
        default: 'msg',
        types: [homieDeviceType(label), 'msg', 'flow', 'global', 'env', ...more],
        typeField: $('#node-input-deviceType'),
      })
      .on('change', (_event, type) => hint.text(hints[type] ?? hints.other))
      .trigger('change', node.deviceType || 'msg');
  };
})();
