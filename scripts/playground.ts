/** A playground: a broker, four simulated devices and Node-RED with the example flows, until Ctrl-C. */
import { once } from 'node:events';
import net from 'node:net';
import { Observer } from './observer';
import { firmware, setScene } from './scene';

/** A device that is awake for two seconds, and then asleep for half a minute. */
const attic = { id: 'attic-light', name: 'Attic light', sleep: { awake: 2_000, asleep: 30_000 } };

async function main(): Promise<void> {
  const scene = await setScene(
    [
      '1 - Update one device',
      'Steer a rollout',
      'Change a configuration',
      'List devices',
      'Take firmware by HTTP',
      'Take patches by HTTP',
    ],
    { port: await usualPort(), more: [attic], ota: { soak: '10' } },
  );
  const observer = await Observer.open(scene.mqttUrl, ['homie/+/$state', 'homie/+/$implementation/ota/status']);
  const { url } = scene.nodeRed;
  console.log(`
Node-RED  ${url}
Broker    ${scene.mqttUrl}
Devices   ${scene.devices.map(({ id }) => id).join(', ')}
Firmware  ${firmware.new}

Open the Homie sidebar, drop the firmware there, and update the devices. Or use a flow: in the tab
"1 - Update one device" press "check", then "update", and look at the debug sidebar. In the tab "Steer a rollout" press
"update" and then "status" now and then: attic-light sleeps, and is updated when it wakes. In the tab "Change a
configuration" press "get", "check" and "set"; in the tab "List devices" press "list". The other two tabs answer these:

  curl --data-binary @${firmware.new} -H 'Content-Type: application/octet-stream' ${url}/firmware/garden-light
  curl -d '{"device_stats_interval":120}' -H 'Content-Type: application/json' ${url}/config/garden-light

Ctrl-C ends all. What the devices do:
`);
  observer.on('seen', ({ topic, payload, live }) => {
    const [, device, ...rest] = topic.split('/');
    if (live) console.log(`${device ?? ''}  ${rest.join('/')}  ${payload.toString()}`);
  });
}

/** Returns the default port of Node-RED if it is free, else undefined. */
async function usualPort(): Promise<number | undefined> {
  const server = net.createServer().listen(1880, '127.0.0.1');
  try {
    await once(server, 'listening');
  } catch {
    return undefined;
  }
  server.close();
  await once(server, 'close');
  return 1880;
}

main().catch((error: unknown) => {
  console.error(error);
  process.exit(1);
});
