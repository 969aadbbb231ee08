import { once } from 'node:events';
import { parseArgs } from 'node:util';
import { Fleet } from '../test/simulator/fleet';

const USAGE = `Usage: npm run simulate -- [options]

Runs simulated Homie devices until Ctrl-C, and prints what they do.

  --count NUMBER         how many devices [1]
  --broker URL           mqtt:// or mqtts:// [mqtt://127.0.0.1:1883]
  --username NAME        of the broker
  --password TEXT        of the broker
  --base-topic TOPIC     [homie/]
  --name NAME            of the firmware; the devices are NAME-1, NAME-2 … [my-light]
  --version VERSION      of the firmware [1.0.0]
  --chip CHIP            esp8266 or esp32 [esp8266]
  --homie GENERATION     2 or 3 [3]
  --core GENERATION      of the Arduino core, 2 or 3 [2]
  --flash-delay MS       for each 4 KiB that is written to the flash [45]
  --help                 this text`;

/** Initial uptime of the devices in hours, as if they had been running before. */
const UPTIME = 5;

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
      core: { type: 'string', default: '2' },
      'flash-delay': { type: 'string', default: '45' },
      help: { type: 'boolean', default: false },
    },
  });
  if (values.help) return undefined;
  return {
    url: values.broker,
    count: number('count', values.count, 1),
    baseTopic: values['base-topic'].replace(/\/*$/, '/'),
    firmware: values.name,
    version: values.version,
    implementation: oneOf('chip', values.chip, ['esp8266', 'esp32']),
    homie: oneOf('homie', values.homie, ['2', '3']) === '2' ? (2 as const) : (3 as const),
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
