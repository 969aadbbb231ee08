/** Prints how much memory the registry takes for many devices. A process of its own: nothing else is on its heap. */
import { Registry } from '../../src/homie/registry';
import { usedHeap } from '../support/garbage';

const DEVICES = 10_000;

/** What a device publishes: 17 topics. */
function topicsOf(index: number): [string, string][] {
  const mac = index.toString(16).padStart(12, '0');
  return [
    ['$homie', '3.0.1'],
    ['$name', `Lamp number ${index}`],
    ['$mac', mac],
    ['$fw/name', 'light'],
    ['$fw/version', '1.2.3'],
    ['$fw/checksum', mac.padStart(32, 'f')],
    ['$implementation', 'esp8266'],
    ['$implementation/version', '3.0.0'],
    [
      '$implementation/config',
      JSON.stringify({ name: mac, wifi: { ssid: 'x'.repeat(30) }, settings: { a: 'y'.repeat(300) } }),
    ],
    ['$implementation/config/set', '{}'],
    ['$implementation/ota/enabled', 'true'],
    ['$implementation/ota/status', `206 ${index}/400000`],
    ['$localip', `10.0.${index >> 8}.${index & 255}`],
    ['$stats/signal', '80'],
    ['$stats/interval', '65'],
    ['$stats/uptime', String(index)],
    ['$state', 'ready'],
  ];
}

const registry = new Registry('homie/');
const say = (): void => {
  for (let i = 0; i < DEVICES; i++) {
    for (const [topic, text] of topicsOf(i)) registry.receive(`homie/device${i}/${topic}`, Buffer.from(text), true);
  }
};
const before = usedHeap();
say();
const once = usedHeap() - before;
say();
const twice = usedHeap() - before;
process.stdout.write(JSON.stringify({ devices: registry.devices.size, once, twice }));
