/** What somebody publishes who wants to do harm to whoever looks at it. */
import type { MqttClient } from 'mqtt';
import { untilRetained } from '../support/retained';

export const picture = '<img src=x onerror="window.broken=1">';
const script = '<script>window.broken=1</script>';
export const terminal = 'line\nend\u001B[2J\u{202E}dnekcab';
/** The longest that is kept of what somebody has published. */
const long = `<b>${'x'.repeat(253)}`;

/** What would run, load, or change something if a page took it for more than text: ids, and what such devices say. */
export const strangers: readonly (readonly [id: string, text: string])[] = [
  ['<b>bold', picture],
  ['"onmouseover="window.broken=1', '"><svg onload=window.broken=1>'],
  ["'-(window.broken=1)-'", script],
  ['javascript:window.broken=1', 'javascript:window.broken=2'],
  ['__proto__', '{{constructor.constructor("window.broken=1")()}}'],
  ['hall$t(common.label.done)', '__proto__'],
  ['__id__', terminal],
  ['lengthy', long],
];
/** Devices with the firmware of the image, of which the answer, or the chip, is made up; and one without a state. */
export const [answering, otherChip, stateless] = ['constructor', 'toString', 'stateless'];
export const count = strangers.length + 3;

/** What somebody answers to a firmware in the name of a device. */
export const answer = `400 ${picture}${terminal}`;

/** As it is shown where it stands beside other text. */
export const shown = (text: string): string => text.replaceAll(/[\p{Cc}\u202E]/gu, '\u{FFFD}');

/** Base topics of devices that are elsewhere. */
export const bases = [picture, '<script>window.broken=1', '__proto__', 'x$t(common.label.done)', '__baseTopic__'];

/** Publishes all of it in the name of devices, and answers for one of them. Resolves when the broker has it. */
export async function publishStrange(attacker: MqttClient, url: string): Promise<void> {
  const topics: string[] = [];
  const say = async (topic: string, value: string): Promise<void> => {
    topics.push(topic);
    await attacker.publishAsync(topic, value, { retain: true, qos: 1 });
  };
  const device = async (id: string, name: string, chip: string, checksum: string): Promise<void> => {
    const firmware = id === answering || id === otherChip ? 'my-light' : name;
    const facts = { $name: name, '$fw/name': firmware, '$fw/version': name, '$fw/checksum': checksum };
    const rest = { $implementation: chip, '$implementation/ota/status': `400 ${name}`, '$stats/uptime': '99' };
    for (const [topic, value] of Object.entries({ ...facts, ...rest })) await say(`homie/${id}/${topic}`, value);
    await say(`homie/${id}/$state`, id === stateless ? picture : 'ready');
  };
  const md5 = 'd41d8cd98f00b204e9800998ecf8427e';
  for (const [id, name] of strangers) await device(id, name, 'esp8266', md5);
  await device(answering, picture, 'esp8266', md5);
  await device(otherChip, script, `${terminal}${picture}`, md5);
  await device(stateless, picture, 'esp8266', script);
  // Two that are no ids, and one that could be taken for two: it is not offered where several can stand.
  for (const id of ['esc\u001B[2J', '\u{202E}dnekcab', 'hall,attic']) await say(`homie/${id}/$state`, 'ready');
  for (const base of bases) await say(`${base}/lamp/$homie`, '3.0.1');
  await untilRetained(url, topics);
  await attacker.subscribeAsync(`homie/${answering}/$implementation/ota/firmware/+`);
  attacker.on('message', () => attacker.publish(`homie/${answering}/$implementation/ota/status`, answer));
}
