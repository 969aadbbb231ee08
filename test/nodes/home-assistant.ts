/** A client that plays Home Assistant, and the fields that Home Assistant documents. */
import assert from 'node:assert/strict';
import { connectAsync, type MqttClient } from 'mqtt';

/**
 * What a discovery message may hold: "Configuration variables" of https://www.home-assistant.io/integrations/update.mqtt/
 * and, for `origin`, of https://www.home-assistant.io/integrations/mqtt/#discovery-payload.
 */
const documented = {
  discovery: [
    'availability availability_topic availability_mode availability_template command_topic device',
    'device_class display_precision enabled_by_default encoding entity_category entity_picture icon',
    'json_attributes_template json_attributes_topic latest_version_template latest_version_topic name',
    'object_id payload_install platform qos release_summary release_url retain state_topic title',
    'unique_id value_template origin',
  ],
  availability: ['payload_available payload_not_available topic value_template'],
  device: [
    'configuration_url connections hw_version identifiers manufacturer model model_id name',
    'serial_number suggested_area sw_version via_device',
  ],
  origin: ['name sw_version support_url'],
};

/** The JSON schema of the state on the same page. Home Assistant discards a state that violates it. */
const fields: Readonly<Record<string, (value: unknown) => boolean>> = {
  installed_version: isText,
  latest_version: isText,
  title: isText,
  release_summary: (value) => isText(value) && Array.from(value).length <= 255,
  release_url: isText,
  entity_picture: isText,
  in_progress: (value) => typeof value === 'boolean',
  update_percentage: (value) => value === null || (typeof value === 'number' && value >= 0 && value <= 100),
};

function isText(value: unknown): value is string {
  return typeof value === 'string';
}

/** The state of an entity. */
interface State {
  readonly installed_version: string;
  readonly latest_version: string;
  readonly title: string;
  readonly release_summary: string;
  readonly in_progress: boolean;
  readonly update_percentage: number | null;
}

/** An MQTT client that reads what Home Assistant reads, and sends its install command. */
export class HomeAssistant {
  readonly #client: MqttClient;
  readonly #heard: { readonly topic: string; readonly text: string; readonly retained: boolean }[] = [];

  private constructor(client: MqttClient) {
    this.#client = client;
    client.on('message', (topic, content, { retain }) => {
      this.#heard.push({ topic, text: content.toString(), retained: retain });
    });
  }

  static async start(url: string): Promise<HomeAssistant> {
    const client = await connectAsync(url);
    const started = new HomeAssistant(client);
    await client.subscribeAsync(['homeassistant/update/+/config', 'homie-ota/#'], { qos: 1 });
    return started;
  }

  /** Waits for the nth message with this topic that matches. @returns its text */
  async hears(topic: string, fits: (text: string) => boolean = () => true, count = 1): Promise<string> {
    for (;;) {
      const found = this.#heard.filter((each) => each.topic === topic && fits(each.text))[count - 1];
      if (found !== undefined) return found.text;
      await nextMessage(this.#client);
    }
  }

  /** Returns the texts of the messages with this topic. */
  texts(topic: string): string[] {
    return this.#heard.filter((each) => each.topic === topic).map(({ text }) => text);
  }

  /** Returns the topics of all retained messages that arrived. */
  retained(): string[] {
    return this.#heard.filter(({ retained }) => retained).map(({ topic }) => topic);
  }

  /** Waits for the discovery message of a device. */
  async discovers(device: string): Promise<Record<string, unknown>> {
    return JSON.parse(await this.hears(configTopic(device)));
  }

  /** Waits for a state of an entity that matches, and checks each state against the documented fields. */
  async shows(device: string, fits: (state: State) => boolean): Promise<State> {
    return stateOf(await this.hears(`homie-ota/${device}/state`, (text) => text !== '' && fits(stateOf(text))));
  }

  async publish(topic: string, text: string, retain = false): Promise<void> {
    await this.#client.publishAsync(topic, text, { qos: 1, retain });
  }

  /** Presses the button of an entity. */
  async install(device: string): Promise<void> {
    const { command_topic: topic, payload_install: command } = await this.discovers(device);
    await this.publish(String(topic), String(command));
  }

  async stop(): Promise<void> {
    await this.#client.endAsync();
  }
}

/** Waits for the next message that a client receives. */
export function nextMessage(client: MqttClient): Promise<void> {
  return new Promise((resolve) => {
    client.once('message', () => resolve());
  });
}

/** Returns the discovery topic of a device. */
export const configTopic = (device: string): string => `homeassistant/update/homie_ota_${device}/config`;

/** Returns a state after checking it against the documented fields. */
export function stateOf(text: string): State {
  const found: State = JSON.parse(text);
  for (const [name, value] of Object.entries(found)) assert.equal(fields[name]?.(value), true, `${name} in ${text}`);
  return found;
}

/** Asserts that a discovery message has documented fields only. */
export function assertDocumented(config: Record<string, unknown>): void {
  const allow = (value: unknown, lines: readonly string[]): void => {
    const names = new Set(lines.flatMap((line) => line.split(' ')));
    for (const name of Object.keys(Object(value))) assert.ok(names.has(name), `${name} is not documented`);
  };
  const { availability, device, origin } = config;
  assert.ok(Array.isArray(availability));
  allow(config, documented.discovery);
  for (const each of availability) allow(each, documented.availability);
  allow(device, documented.device);
  allow(origin, documented.origin);
}
