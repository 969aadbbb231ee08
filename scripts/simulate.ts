import { once } from 'node:events';
import { mkdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { inc } from 'semver';
import { accepts, DIALECTS, rootOf } from '../test/simulator/dialects';
import { buildImage, Fleet } from '../test/simulator/fleet';

const USAGE = `Usage: npm run simulate -- [options]

Runs simulated Homie devices until Ctrl-C, and prints what they do. Writes a newer firmware for them into artifacts/.

  --count NUMBER         how many devices [1]
  --broker URL           mqtt:// or mqtts:// [mqtt://127.0.0.1:1883]
  --username NAME        of the broker
  --password TEXT        of the broker
  --base-topic TOPIC     [homie/]
  --name NAME            of the firmware; the devices are NAME-1, NAME-2 … [my-light]
  --version VERSION      of the firmware [1.0.0]
  --chip CHIP            esp8266 or esp32 [esp8266]
  --homie GENERATION     of the original, 2 or 3 [3]
  --dialect VERSION      of Homie for ESP8266: 3 is the original, 3.7 and 4 are the fork labodj/homie-esp8266
                         [3, or 4 with --convention 5]
  --convention NUMBER    3 or 5, which only the fork has [3]
  --core GENERATION      of the Arduino core, 2 or 3 [2]
  --flash-delay MS       for each 4 KiB that is written to the flash [45]
  --help                 this text`;

/** Initial uptime of the devices in hours, as if they had been running before. */
const UPTIME = 5;

/** Where the newer firmware is written. */
const folder = path.resolve(__dirname, '../artifacts');

function oneOf<T extends string>(name: string, value: string, choices: readonly T[]): T {
  const choice = choices.find((known) => known === value);
  if (choice === undefined) throw new Error(`--${name} is ${choices.join(' or ')}, not ${value}`);
  return choice;
}

function number(name: string, value: string, least: number): number {
  const parsed = Number(value);
  if (!Number.isInteger(parsed) || parsed < least) throw new Error(`--${name} is a whole number from ${least} on`);
  return parsed;
}

/** Returns the dialect and the convention. @throws {Error} if the firmware does not exist, or would not start */
function readFirmware(values: {
  dialect?: string | undefined;
  convention: string;
  homie: 2 | 3;
  name: string;
  baseTopic: string;
}) {
  const convention = oneOf('convention', values.convention, ['3', '5']) === '5' ? (5 as const) : (3 as const);
  const dialect = oneOf('dialect', values.dialect ?? (convention === 5 ? '4' : '3'), ['3', '3.7', '4']);
  if (dialect === '3' && convention === 5) throw new Error('--convention 5 needs --dialect 3.7 or 4');
  if (dialect !== '3' && values.homie === 2) throw new Error('--homie 2 needs --dialect 3');
  const ids = { baseTopic: values.baseTopic, deviceId: values.name, firmware: values.name };
  if (DIALECTS[dialect].strictIds && !accepts(ids, convention)) {
    throw new Error(
      `Dialect ${dialect} starts only with a base topic of one level, and names of small letters, digits and hyphens`,
    );
  }
  return { dialect, convention };
}

function readArguments() {
  const { values } = parseArgs({
    options: {
      count: { type: 'string', default: '1' },
      broker: { type: 'string', default: 'mqtt://127.0.0.1:1883' },
      username: { type: 'string' },
      password: { type: 'string' },
      'base-topic': { type: 'string', default: 'homie/' },
      name: { type: 'string', default: 'my-light' },
      version: { type: 'string', default: '1.0.0' },
      chip: { type: 'string', default: 'esp8266' },
      homie: { type: 'string', default: '3' },
      dialect: { type: 'string' },
      convention: { type: 'string', default: '3' },
      core: { type: 'string', default: '2' },
      'flash-delay': { type: 'string', default: '45' },
      help: { type: 'boolean', default: false },
    },
  });
  if (values.help) return undefined;
  const baseTopic = values['base-topic'].replace(/\/*$/, '/');
  const homie = oneOf('homie', values.homie, ['2', '3']) === '2' ? (2 as const) : (3 as const);
  return {
    url: values.broker,
    count: number('count', values.count, 1),
    baseTopic,
    firmware: values.name,
    version: values.version,
    implementation: oneOf('chip', values.chip, ['esp8266', 'esp32']),
    homie,
    ...readFirmware({ ...values, baseTopic, homie }),
    core: oneOf('core', values.core, ['2', '3']) === '2' ? (2 as const) : (3 as const),
    flashDelay: number('flash-delay', values['flash-delay'], 0),
    uptime: UPTIME * 3600,
    bootDelay: 1_500,
    ...(values.username !== undefined && { username: values.username }),
    ...(values.password !== undefined && { password: values.password }),
  };
}

async function main(): Promise<void> {
  const options = readArguments();
  if (!options) {
    console.log(USAGE);
    return;
  }
  const { count, firmware, version, url, baseTopic, convention } = options;
  const newer = inc(version, 'minor') ?? `${version}-2`;
  const file = path.join(folder, `${firmware}-${newer}.bin`);
  await mkdir(folder, { recursive: true });
  await writeFile(file, buildImage({ ...options, version: newer }));
  const devices = count === 1 ? '1 device' : `${count} devices`;
  console.log(`
Simulating ${devices} with ${firmware} ${version} at ${url}, base topic ${rootOf(baseTopic, convention)}

A firmware to send: ${file}

1. In Node-RED, open the Homie sidebar. The devices are listed if a homie-broker is deployed for this broker.
2. Drop the firmware in the sidebar, and press "Update ${devices}".
3. Check what would happen to each device, and confirm.

Ctrl-C ends all. What the devices do:
`);
  const fleet = new Fleet(options);
  fleet.on('event', (id, text) => console.log(`${new Date().toISOString().slice(11, 19)}  ${id}  ${text}`));
  fleet.switchOn();
  await Promise.race([once(process, 'SIGINT'), once(process, 'SIGTERM')]);
  await fleet.stop();
}

main().catch((error: unknown) => {
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = 2;
});
