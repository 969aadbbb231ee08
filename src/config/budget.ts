/** What a patch takes of what the device has, and what is said when that is too much. */
import { fileBytes, fileMembers, MAX_FILE, MAX_MEMBERS, withoutUncertain, type DeviceFile } from './file';
import type { JsonObject } from './json';
import { mergeMemory, mergePool, patchMemory, POOL } from './memory';
import { problem, type Problem } from './problem';
import type { Step } from './step';

interface Use {
  readonly used: number;
  readonly limit: number;
}

export interface Budget {
  /** Bytes to read the patch. */
  readonly patch: Use;
  /** Bytes to merge it. */
  readonly merge: Use;
  /** Bytes of the file, with unknown secrets at their longest. */
  readonly file: Use;
  /** Members and array elements of the file. */
  readonly members: Use;
}

export function budgetOf(before: DeviceFile, after: DeviceFile, patch: JsonObject): Budget {
  return {
    patch: { used: patchMemory(patch), limit: POOL },
    merge: { used: mergeMemory(before, patch), limit: mergePool(before) },
    file: { used: fileBytes(after), limit: MAX_FILE },
    members: { used: fileMembers(after), limit: MAX_MEMBERS },
  };
}

/** Whether the device has the memory to read and to merge the patch. */
export function isWithinBudget(file: DeviceFile, patch: JsonObject): boolean {
  return patchMemory(patch) <= POOL && mergeMemory(file, patch) <= mergePool(file);
}

/** @param steps the split that would fit, empty when there is none, undefined when none was looked for */
export function overBudget(file: DeviceFile, patch: JsonObject, steps: readonly Step[] | undefined): Problem[] {
  const problems: Problem[] = [];
  const hint = steps && splitHint(steps);
  const [read, merge, pool] = [patchMemory(patch), mergeMemory(file, patch), mergePool(file)];
  if (read > POOL) {
    const message = `The patch needs ${read} bytes of the ${POOL} that the device has to read it.`;
    problems.push(problem('PATCH_TOO_LARGE', [], message, hint));
  }
  if (merge > pool) {
    const message = `The merge needs ${merge} bytes of the ${pool} that the device has; it would lose values without a word.`;
    const counted = isWithinBudget(withoutUncertain(file), patch) ? NO_SECRETS : undefined;
    problems.push(problem('MERGE_TOO_LARGE', [], message, [hint, counted].filter(Boolean).join(' ') || undefined));
  }
  return problems;
}

/** What helps where only secrets that may be in the file are too much. */
export const NO_SECRETS =
  'The secrets that a device does not publish are counted. If its file has none of wifi.password, mqtt.username and mqtt.password, set secretBytes to 0.';

function splitHint(steps: readonly Step[]): string {
  if (steps.length === 0) return 'No split of it would fit. Send less, or shorten its texts.';
  const list = steps.map(({ paths }) => paths.join(', ')).join(' | ');
  return steps.length === 1
    ? `It fits without what the device has already, which split: true leaves out. Left would be: ${list}.`
    : `split: true sends it as ${steps.length} patches, with a reboot after each: ${list}.`;
}
