/** A process that fills a broker with what devices have retained. */
import mqtt from 'mqtt';
import { serve } from '../process';

/** What a device has retained: 14 topics. */
function topicsOf(index: number): [topic: string, text: string][] {
  const mac = index.toString(16).padStart(12, '0');
  const config = { name: `lamp-${index}`, wifi: { ssid: 'home' }, settings: { greeting: 'y'.repeat(200) } };
  return [
    ['$homie', '3.0.1'],
    ['$name', `Lamp number ${index}`],
    ['$mac', mac],
    ['$fw/name', 'bench'],
    ['$fw/version', '1.0.0'],
    ['$fw/checksum', mac.padStart(32, 'f')],
    ['$implementation', 'esp8266'],
    ['$implementation/version', '3.0.0'],
    ['$implementation/config', JSON.stringify(config)],
    ['$implementation/config/set', '{}'],
    ['$implementation/ota/enabled', 'true'],
    ['$implementation/ota/status', '200'],
    ['$stats/uptime', String(index)],
    ['$state', 'ready'],
  ];
}

export const handlers = serve({
  /** @returns how many messages there are */
  fill: async ({ url, devices }: { url: string; devices: number }): Promise<number> => {
    const client = await mqtt.connectAsync(url, { protocolVersion: 5 });
    let messages = 0;
    for (let index = 1; index <= devices; index += 1) {
      const topics = topicsOf(index);
      messages += topics.length;
      await Promise.all(
        topics.map(([topic, text]) => client.publishAsync(`homie/bench-${index}/${topic}`, text, { retain: true })),
      );
    }
    // It is acknowledged after all that came before it.
    await client.publishAsync('bench/filled', '', { qos: 1 });
    await client.endAsync();
    return messages;
  },
});
