import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Check } from '../../src/config/check';
import type { JsonObject } from '../../src/config/json';

/** A recorded exchange with homie-esp8266 ba452ea: the file of the device, and what came of the patches. */
interface Recording<Result> {
  /** The file as it was, with its secrets. */
  readonly config: string;
  /** The one patch, where there is only one. */
  readonly patch?: string;
  readonly patches?: Readonly<Record<string, string>>;
  readonly result: Result;
}

export interface PatchResult {
  readonly patch: string;
  readonly rebooted: boolean;
  readonly file_changed: boolean;
  readonly file_after: string | null;
  readonly published: string | null;
  /** The device's own log, which nobody sees over MQTT. */
  readonly serial: readonly string[];
}

export function recording<Result = unknown>(name: string): Recording<Result> {
  const file = join(__dirname, '../fixtures/recordings/config', `${name}.json`);
  // oxlint-disable-next-line no-unsafe-type-assertion -- the fixture is ours
  return JSON.parse(readFileSync(file, 'utf8')) as Recording<Result>;
}

/** What the device publishes of a file. */
export function publishedText(file: string): string {
  return JSON.stringify(parse(file), (key, value: unknown) =>
    /^(?:username|password)$/.test(key) ? undefined : value,
  );
}

export function parse(text: string): JsonObject {
  const value = JSON.parse(text) as unknown;
  assert.ok(typeof value === 'object' && value !== null);
  // oxlint-disable-next-line no-unsafe-type-assertion -- an object that came from JSON
  return value as JsonObject;
}

export function codes(check: Check): string[] {
  return check.problems.map(({ code }) => code);
}
