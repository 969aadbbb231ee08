// Made by the build from nodes/shared/dialogs.js.
"use strict";
(() => {
  // src/homie/device-id.ts
  var MAX_ID = 64;
  var utf8 = new TextEncoder();
  function isDeviceId(id) {
    return /^(?!\$)[^/+#*\s\p{C}]+$/u.test(id) && utf8.encode(id).length <= MAX_ID;
  }
  function isDeviceIdOrPattern(text) {
    const fixed = text.replaceAll("*", "");
    return isDeviceId(fixed) || fixed === "" && text !== "";
  }

  // src/homie/device.ts
  var deviceStates = ["init", "ready", "lost", "sleeping", "disconnected", "alert"];

  // src/settings/times.ts
  var DAY = 1440;
  function readWindow(text) {
    if (typeof text !== "string") return void 0;
    const spans = text.split(",").map((part) => {
      const [, fromHour, fromMinute, toHour, toMinute] = /^\s*(\d\d?):(\d\d)\s*-\s*(\d\d?):(\d\d)\s*$/.exec(part) ?? [];
      return { from: minuteOf(fromHour, fromMinute), to: minuteOf(toHour, toMinute) };
    });
    const wrong = spans.some(({ from, to }) => Number.isNaN(from + to) || from === DAY || from === to);
    return wrong ? void 0 : spans;
  }
  function minuteOf(hour, minute) {
    const [h, m] = [Number(hour), Number(minute)];
    return h <= 23 && m <= 59 ? h * 60 + m : h === 24 && m === 0 ? DAY : Number.NaN;
  }

  // src/settings/setting.ts
  function flag(usual) {
    const read = (given) => typeof given === "boolean" ? given : given === "true" ? true : given === "false" ? false : void 0;
    return { kind: "flag", usual, expected: "true or false", read };
  }
  function whole(usual, least, most, look = {}) {
    const read = (given) => {
      const number = readNumber(given);
      return number !== void 0 && Number.isInteger(number) && number >= least && number <= most ? number : void 0;
    };
    const expected = `a whole number from ${least} to ${most}`;
    return { kind: "whole", usual, expected, read, least, most, ...look };
  }
  var seconds = time("seconds", 1e3);
  var days = time("days", 24 * 36e5);
  function time(unit, ms) {
    const read = (given) => {
      const number = readNumber(given);
      return number !== void 0 && number >= 0 ? number * ms : void 0;
    };
    return (usual) => ({ kind: unit, usual, expected: `a number of ${unit}, 0 or more`, read, unit });
  }
  function choice(choices, look = {}) {
    const read = (given) => choices.find((each) => each === given || typeof each === "number" && String(each) === given);
    const expected = choices.map((each) => JSON.stringify(each)).join(" or ");
    return { kind: "choice", usual: choices[0], expected, read, choices, ...look };
  }
  function someOf(choices) {
    const read = (given) => {
      const named = readNames(given);
      const chosen = named?.flatMap((name) => choices.find((each) => each === name) ?? []);
      return chosen?.length === named?.length ? chosen : void 0;
    };
    return { kind: "someOf", usual: void 0, expected: `some of ${choices.join(", ")}`, read, choices };
  }
  var names = list("names", "names with commas between them", () => true);
  var devices = list("devices", "ids of devices, or patterns with *", isDeviceIdOrPattern);
  function list(kind, expected, fits) {
    const read = (given) => {
      const named = readNames(given);
      return named?.every(fits) === true ? named : void 0;
    };
    return (usual, look = {}) => ({ kind, usual, expected, read, ...look });
  }
  function times(look = {}) {
    const expected = 'from and to in local time, such as "01:00-05:00"';
    return { kind: "times", usual: void 0, expected, read: readWindow, ...look };
  }
  function readNumber(given) {
    const number = typeof given === "string" ? Number(given) : given;
    return typeof number === "number" && Number.isFinite(number) ? number : void 0;
  }
  function readNames(given) {
    const all = typeof given === "string" ? given.split(",") : given;
    if (!Array.isArray(all) || !all.every((each) => typeof each === "string")) return void 0;
    return all.map((each) => each.trim()).filter((each) => each !== "");
  }

  // src/settings/table.ts
  var MAX_COUNT = 2e4;
  var install = {
    /** Reinstall the image on devices that already run it. */
    force: flag(false),
    /** Allow an image with a lower version than the running one. */
    allowDowngrade: flag(false),
    /** Allow another firmware name, an image without the Homie signature, or another chip. An ESP8266 still only gets an
     * ESP8266 image. */
    allowIncompatible: flag(false)
  };
  var transfer = {
    /** Encoding of the image in the MQTT message. `base64` is best effort. */
    encoding: choice(["binary", "base64"], { icon: "exchange" }),
    /** Maximum number of transfers. */
    attempts: whole(2, 1, 10, { unit: "inAll" }),
    /** Restart a device whose update is stuck, with an empty configuration patch. */
    recoverReboot: flag(true),
    /** Clear a retained firmware message that undoes an update. */
    clearRetained: flag(false)
  };
  var otaDeadlines = {
    /** Until the broker has acknowledged the image; plus 1 s for each 20 kB of the image. */
    sending: seconds(120),
    /** From broker acknowledgement to the first response of the device. */
    accepted: seconds(30),
    /** Since the last response of the device during the transfer. */
    stall: seconds(120),
    /** From the 200, or its equivalent, until the device reconnects. */
    reboot: seconds(180),
    /** From reconnecting until the device is ready. */
    ready: seconds(60)
  };
  var several = {
    /** Devices at once. */
    concurrency: whole(1, 1, MAX_COUNT, { unit: "devices" }),
    /** Devices that must be proven before the other devices start; 0: none. */
    canary: whole(1, 0, MAX_COUNT, { unit: "devices" }),
    /** Observation time: how long a canary must stay ready after its proof, without another boot. */
    soak: seconds(60),
    /** Between two starts. */
    spacing: seconds(0),
    /** Number of failures after which no more devices start; 0: unlimited. */
    maxFailures: whole(1, 0, MAX_COUNT, { unit: "failures" }),
    /** The order in which devices start: as listed, or by id. */
    order: choice(["given", "id"], { icon: "sort" }),
    /** Ids and patterns of excluded devices. */
    exclude: devices([], { icon: "ban" })
  };
  var when = {
    /** When devices may start, in local time. */
    window: times({ icon: "clock-o", placeholder: "01:00-05:00" }),
    /** How long to wait for a device that cannot start; several nights if there is a window. */
    expires: { ...seconds(3600), withWindow: 72 * 3600 },
    /** How long failed devices can be retried. */
    keep: days(7),
    /** The job stays open for devices that appear later. */
    continuous: flag(false),
    /** Survive a restart. */
    persist: flag(true)
  };
  var sending = {
    /** Allow changes that could make the device unreachable. */
    allowRisky: flag(false),
    /** Split a patch that is too large, with a reboot after each part. */
    split: flag(false),
    /** Send a patch even if nothing changes. */
    force: flag(false),
    /** Clear the retained topics that a device leaves behind when it moves to another id or base topic. */
    clearOld: flag(false)
  };
  var secrets = {
    /** Words that mark a setting as secret if its name contains one of them. */
    secretNames: names(["password", "secret", "token", "key"], { icon: "eye-slash" }),
    /** Total bytes of `wifi.password`, `mqtt.username` and `mqtt.password` as stored in the file, if known. */
    secretBytes: whole(void 0, 0, 2e3, { unit: "bytes" }),
    /** Size of the TCP segments that the devices were built with, in bytes. */
    segment: choice([536, 1460], { icon: "scissors" })
  };
  var configDeadlines = {
    /** Until the broker has acknowledged the patch. */
    sending: seconds(30),
    /** From broker acknowledgement to the empty message with which the device confirms receipt. */
    received: seconds(30),
    /** From receipt until the device reconnects. */
    reboot: seconds(90),
    /** From reconnecting until the device is ready. */
    ready: seconds(60)
  };
  var ota = { ...install, ...transfer, ...otaDeadlines };
  var config = { ...sending, ...secrets, ...configDeadlines };
  var rollout = { ...several, ...when };
  var query = {
    /** Ids and patterns. */
    device: devices(void 0),
    state: someOf(deviceStates),
    /** Names, as in `$fw/name`. */
    firmware: names(void 0),
    /** Only devices that are outdated compared with the firmware in the request. */
    outdated: flag(false)
  };
  var connection = {
    port: whole(void 0, 1, 65535),
    /** Seconds between two keep-alive packets; 0: off. */
    keepalive: whole(60, 0, 65535)
  };
  var updates = { install, several, when, transfer, deadlines: otaDeadlines };
  var { continuous: _continuous, ...whenConfirmed } = when;
  var nodes = {
    "homie-broker": { own: connection, sections: { ...updates, when: whenConfirmed } },
    "homie-ota": { own: {}, sections: updates },
    "homie-config": { own: {}, sections: { sending, several, when, secrets, deadlines: configDeadlines } },
    "homie-devices": { own: query, sections: {} }
  };
  function catalogueOf(type, section) {
    return Object.values(updates).includes(section) ? "homie-broker" : type;
  }

  // nodes/shared/dialogs.js
  function texts(type) {
    return (key, values) => RED._("@homie-ota/node-red-homie-ota/" + type + ":" + type + "." + key, values);
  }
  var t = texts("homie-broker");
  function trimmed(value) {
    return String(value ?? "").trim();
  }
  function holdsVariable(text) {
    return /\$\{[^{}]+\}/.test(text);
  }
  function findSetting(type, name) {
    const { own, sections } = nodes[type];
    const section = [own, ...Object.values(sections)].find((each) => name in each);
    return { setting: section[name], own: texts(catalogueOf(type, section)) };
  }
  function validators(type) {
    return {
      /** For a setting of the table. */
      setting: (name) => {
        const { setting, own } = findSetting(type, name);
        const { kind, least, most, choices = [] } = setting;
        return function(value, _options) {
          const text = trimmed(value);
          if (text === "" || holdsVariable(text) || setting.read(text) !== void 0) return true;
          return own("label." + name) + ": " + t("validate." + kind, { least, most, words: choices.join(", ") });
        };
      },
      /** For the device field, as it is in the open dialog or else as saved. `needed` returns the text for an empty field. */
      device: (needed) => {
        const own = texts(type);
        return function(value, _options) {
          const field = $("#node-input-deviceType");
          const kind = field.closest("." + type + "-form").length > 0 ? field.val() : this.deviceType;
          if (kind === "all") return true;
          const text = trimmed(value);
          const say = (sentence) => own("label.device") + ": " + sentence;
          if (text === "") return say(needed());
          if (holdsVariable(text)) return true;
          if (kind === "msg") return RED.utils.validatePropertyExpression(text) || say(t("validate.expression"));
          const each = text.split(",").every((name) => isDeviceIdOrPattern(name.trim()));
          return kind !== "str" || each || say(t("validate.devices"));
        };
      }
    };
  }
  function reachTools(form) {
    for (const [kind, text] of [
      ["edit", t("tool.edit")],
      ["add", t("tool.add")]
    ]) {
      form.find('a[id$="-' + kind + '"].red-ui-button').addClass("homie-tool").attr({ role: "button", tabindex: 0, "aria-label": text }).on("keydown", function(event) {
        if (event.key !== "Enter" && event.key !== " ") return;
        event.preventDefault();
        this.click();
      });
    }
  }
  function labelTypedInputs(form) {
    form.find(".red-ui-typedInput-container").each(function() {
      const label = $(this).closest(".form-row").children("label");
      const id = label.attr("for");
      const [input, button, chosen] = ["input", "option-trigger", "option-label"].map(
        (part) => $(this).find(".red-ui-typedInput-" + part)
      );
      label.attr("id", id + "-label").on("click", () => input.add(button).filter(":visible").trigger("focus"));
      chosen.attr("id", id + "-chosen");
      input.attr("aria-labelledby", id + "-label");
      button.attr("aria-labelledby", id + "-label " + id + "-chosen");
    });
  }
  function describe(type) {
    const form = $("." + type + "-form");
    form.find(".homie-hint").each(function(index) {
      const row = $(this).closest(".form-row, .homie-check, .homie-number-row");
      if (!this.id) this.id = type + "-hint-" + index;
      row.find("input, select, .red-ui-typedInput-option-trigger").attr("aria-describedby", this.id);
    });
    labelTypedInputs(form);
    reachTools(form);
  }
  function prefixOf(type) {
    return RED.nodes.getType(type).category === "config" ? "node-config-input-" : "node-input-";
  }
  function showUsual(node, type) {
    for (const [name, { value, type: needed }] of Object.entries(RED.nodes.getType(type).defaults)) {
      if (node[name] !== void 0 || needed !== void 0) continue;
      const field = $("#" + prefixOf(type) + name);
      if (field.is(":checkbox")) field.prop("checked", value);
      else field.val(value);
    }
  }
  function showSections(node, type) {
    const prefix = prefixOf(type);
    const isUsual = ([name, { value }]) => String(node[name] ?? value) === String(value);
    const changed = Object.entries(RED.nodes.getType(type).defaults).filter((each) => !isUsual(each));
    $("." + type + "-form details").each(function() {
      $(this).prop(
        "open",
        changed.some(([name]) => $(this).find("#" + prefix + name).length > 0)
      );
    });
  }
  function showExpiry(type) {
    const { usual, withWindow } = rollout.expires;
    const field = (name) => $("#" + prefixOf(type) + name);
    field("window").on("input change", function() {
      field("expires").attr("placeholder", trimmed($(this).val()) === "" ? usual : withWindow);
    }).trigger("change");
  }
  window.homieDialogs = { texts, validators, describe, showUsual, showSections, showExpiry };
})();
