import { readFile } from 'node:fs/promises';
import { HomieError } from '../src/errors';
import { Firmware } from '../src/firmware/firmware';
import type { FirmwareInfo } from '../src/firmware/inspect';

const usage = `Shows what is in a firmware image, and whether it is complete.

  npm run inspect -- FILE…

Reads images as homie-ota does: plain, compressed by gzip, or as base64 text. The exit code is 1 if a file is refused.`;

async function main(): Promise<void> {
  const files = process.argv.slice(2);
  if (files.length === 0) process.exitCode = 1;
  if (files.length === 0 || files.includes('--help')) return console.log(usage);
  for (const file of files) {
    console.log(file);
    try {
      const { info } = await Firmware.from(await readFile(file));
      print(describe(info));
    } catch (error) {
      process.exitCode = 1;
      print(refusal(error));
    }
  }
}

/** Returns the rows to print for an image. */
function describe(info: FirmwareInfo): [string, string][] {
  const behind = info.size - info.end;
  return [
    ['chip', info.chip],
    ['size', `${info.size} bytes`],
    ['end', `${info.end} bytes${behind === 0 ? '' : `; ${behind} more follow the image`}`],
    ['md5', info.md5],
    ['flash mode', info.flashMode],
    ['flash size', info.flashSize === undefined ? 'unknown' : `${info.flashSize} bytes`],
    ['Homie', info.homie ? 'yes' : 'no: the signature of Homie for ESP8266 is not in the image'],
    ['name', info.name ?? '-'],
    ['version', info.version ?? '-'],
    ['brand', info.brand ?? '-'],
  ];
}

function refusal(error: unknown): [string, string][] {
  if (error instanceof HomieError) {
    return [
      ['refused', error.code],
      ['why', error.message],
      ['hint', error.hint],
    ];
  }
  return [['unreadable', error instanceof Error ? error.message : String(error)]];
}

function print(rows: [string, string][]): void {
  for (const [label, value] of rows) console.log(`  ${label.padEnd(10)}  ${value}`);
}

void main();
