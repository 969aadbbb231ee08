/** Checks what a patch would do to a device before anything is sent. */
import { HomieError } from '../errors';
import { dialectOf } from '../homie/dialect';
import { budgetOf, unsafeSize, isWithinBudget, overBudget, type Budget } from './budget';
import { changes, difference, sameWhenSent, type ValueChange, type Difference } from './compare';
import { isHidden, patchFile, readFile, touchedSecrets, type DeviceFile } from './file';
import { at, MASK, pathText, sameKeys, type JsonObject, type Keys } from './json';
import { tryReadPatch } from './patch';
import { problem, type Problem } from './problem';
import { brokenRules, impreciseNumbers, unsafeValues, type PatchContext } from './rules';
import { maskObject } from './secrets';
import { splitPatch, PatchStep } from './patch-step';
import { risksOf, warningsOf, type Risk, type Warning } from './warnings';

export interface CheckInput extends PatchContext {
  /** `$implementation/config` as published; undefined if none was received. */
  readonly config: string | undefined;
  /** Set if nothing can be sent because the device has not published something that is needed. */
  readonly lack?: Problem;
  /** The patch, as an object or JSON text. */
  readonly patch: unknown;
  /** Total bytes of `wifi.password`, `mqtt.username` and `mqtt.password` as stored in the file. */
  readonly secretBytes?: number | undefined;
  /** Allow changes that could make the device unreachable. */
  readonly allowRisky?: boolean | undefined;
  /** Split a patch that is too large into several. */
  readonly split?: boolean | undefined;
  /** Send a patch even if nothing changes. */
  readonly force?: boolean | undefined;
  /** Words that mark a setting as secret if its name contains one of them. */
  readonly secretNames?: readonly string[] | undefined;
  /**
   * Patches that the device has received since it published its configuration, without a reboot since; `unknown` if
   * they are not known. The device either refused each of them, or has written it and waits for a busy sketch, so the
   * new patch must be right in both cases.
   */
  readonly unconfirmed?: readonly JsonObject[] | 'unknown' | undefined;
}

/**
 * The result of a check, safe for messages and logs: secrets are masked, and only the methods of a {@link PatchStep}
 * return any.
 */
export interface Check {
  /**
   * `set`: the patch can be sent. `unknown`: it can be sent, but the sketch decides about the settings in `sketch`.
   * `no_change`: the device already has all values. `rejected`: it must not be sent because of `problems`.
   */
  readonly verdict: 'set' | 'unknown' | 'no_change' | 'rejected';
  /** The configuration before and after the patch; undefined if not known. */
  readonly before: JsonObject | undefined;
  readonly after: JsonObject | undefined;
  readonly differences: readonly Difference[];
  readonly problems: readonly Problem[];
  readonly warnings: readonly Warning[];
  readonly risks: readonly Risk[];
  /** Paths of secrets that the device never publishes. The only evidence is that the device comes back. */
  readonly unverified: readonly string[];
  /** Paths of settings whose types and validators only the sketch knows. The sketch may silently reject the patch. */
  readonly sketch: readonly string[];
  readonly budget: Budget | undefined;
  /**
   * What would be sent: one message and one reboot for each step. If the patch is rejected for its risks, or because it
   * must be split, these are the steps that `allowRisky` or `split` would send.
   */
  readonly steps: readonly PatchStep[];
  readonly reboots: number;
}

/**
 * Checks a patch against the device's configuration, its rules and its memory. Never throws. In the result, only the
 * methods of the steps return secrets.
 */
export function checkPatch(input: CheckInput): Check {
  const { config, secretBytes, secretNames, dialect = dialectOf(undefined) } = input;
  const file = config === undefined ? undefined : readFile(config, secretBytes, dialect.config.precision);
  const read = tryReadPatch(input.patch);
  const before = file && maskObject(file.content, secretNames);
  if ('problem' in read) return rejected(read.problem, before);
  if (input.lack !== undefined) return rejected(input.lack, before);
  if (file === undefined) {
    return rejected(problem(config === undefined ? 'CONFIG_UNKNOWN' : 'CONFIG_UNREADABLE', []), before);
  }

  const { patch } = read;
  if (input.unconfirmed === 'unknown') return rejected(problem('REBOOT_PENDING', []), before);
  const files = possibleFiles(file, input.unconfirmed ?? []);
  const checks = files.map((each) => checkFile(each, patch, input));
  if (checks.every(({ verdict }) => verdict === 'no_change')) return join(checks);
  // The patch changes at least one of the possible files, so it is sent even if it changes nothing on another.
  return join(files.length === 1 ? checks : files.map((each) => checkFile(each, patch, { ...input, force: true })));
}

/** Returns the files that the device may have, since each unconfirmed patch was either taken or refused. */
function possibleFiles(file: DeviceFile, unconfirmed: readonly JsonObject[]): [DeviceFile, ...DeviceFile[]] {
  return unconfirmed.reduce<[DeviceFile, ...DeviceFile[]]>(
    (files, patch) => [...files, ...files.map((each) => patchFile(each, patch))],
    [file],
  );
}

/**
 * Combines the checks of all files that a device may have. The result describes the first one, and has the problems of
 * all.
 */
function join(checks: readonly Check[]): Check {
  const [first, ...others] = checks;
  if (first === undefined) throw new HomieError('UNEXPECTED');
  if (others.length === 0) return first;
  const all = checks.flatMap((check) => check.problems);
  const isSame = (a: Problem, b: Problem): boolean => a.code === b.code && a.path === b.path;
  const problems = all.filter((each, index) => all.findIndex((other) => isSame(other, each)) === index);
  const steps = first.steps.map((step, index) => step.or(others.flatMap((check) => check.steps[index] ?? [])));
  const textOf = (check: Check): string => check.steps.map((step) => step.text()).join('\n');
  if (problems.length === 0 && others.some((check) => textOf(check) !== textOf(first))) {
    problems.push(problem('REBOOT_PENDING.splitUnclear', []));
  }
  const sketch = [...new Set(checks.flatMap((check) => check.sketch))];
  const unverified = [...new Set(checks.flatMap((check) => check.unverified))];
  const skipped = checks.every(({ verdict }) => verdict === 'no_change');
  return { ...first, verdict: verdictOf(problems, skipped, sketch), problems, sketch, unverified, steps };
}

function checkFile(file: DeviceFile, patch: JsonObject, input: CheckInput): Check {
  const { secretNames } = input;
  const before = maskObject(file.content, secretNames);
  const after = patchFile(file, patch);
  const changed = changesOf(file, after, patch);
  const unverified = touchedSecrets(patch).map(pathText);
  const risks = risksOf(changed);
  const sketch = changed.filter(({ keys }) => keys[0] === 'settings').map(({ keys }) => pathText(keys));
  const changesNothing = changed.length === 0 && unverified.length === 0;
  const skipped = changesNothing && input.force !== true;

  const problems = [
    ...brokenRules(after),
    ...unsafeValues(file, after, input),
    ...impreciseNumbers(file, after),
    ...unsafeSize(file, after, input),
  ];
  const isSplittable = problems.length === 0 && !skipped;
  const steps = isSplittable ? stepsOf(file, partsOf(file, patch, input), secretNames) : [];
  if (!skipped && !(input.split === true && steps.length > 0)) {
    problems.push(...overBudget(file, patch, isSplittable ? steps : undefined, input));
  }
  if (risks.length > 0 && input.allowRisky !== true) {
    problems.push(problem('RISK_NOT_ALLOWED.paths', [], { paths: risks.map(({ path }) => path) }));
  }

  return {
    verdict: verdictOf(problems, skipped, sketch),
    before,
    after: maskObject(after.content, secretNames),
    differences: changed.map((change) => difference(change, secretNames)),
    problems,
    warnings: warningsOf(file, after, changed, input),
    risks,
    unverified,
    sketch,
    budget: budgetOf(file, after, patch),
    steps,
    reboots: steps.length,
  };
}

function verdictOf(problems: readonly Problem[], skipped: boolean, sketch: readonly string[]): Check['verdict'] {
  if (problems.length > 0) return 'rejected';
  if (skipped) return 'no_change';
  return sketch.length > 0 ? 'unknown' : 'set';
}

function rejected(reason: Problem, before: JsonObject | undefined): Check {
  return {
    verdict: 'rejected',
    before,
    after: undefined,
    differences: [],
    problems: [reason],
    warnings: [],
    risks: [],
    unverified: [],
    sketch: [],
    budget: undefined,
    steps: [],
    reboots: 0,
  };
}

/**
 * Returns the changes. A secret that the device does not publish counts as changed, since nothing shows whether it
 * changes.
 */
function changesOf(before: DeviceFile, after: DeviceFile, patch: JsonObject): ValueChange[] {
  const visible = changes(before.content, after.content, sameWhenSent(before.precision));
  const isListed = (keys: Keys): boolean => visible.some((change) => sameKeys(change.keys, keys));
  const touched = touchedSecrets(patch).filter((keys) => !isListed(keys));
  return [...visible, ...touched.map((keys) => ({ keys, from: MASK, to: at(after.content, keys) }))].map((change) =>
    isHidden(before, change.keys) ? { ...change, from: MASK } : change,
  );
}

/** Returns the patch itself if the device has enough memory for it, or else its parts; none if it cannot be split. */
function partsOf(file: DeviceFile, patch: JsonObject, context: PatchContext): readonly JsonObject[] {
  if (isWithinBudget(file, patch)) return [patch];
  const fits = (current: DeviceFile, part: JsonObject): boolean => {
    const next = patchFile(current, part);
    return isWithinBudget(current, part) && [...brokenRules(next), ...unsafeSize(current, next, context)].length === 0;
  };
  return splitPatch(file, patch, fits) ?? [];
}

function stepsOf(
  file: DeviceFile,
  parts: readonly JsonObject[],
  secretNames: readonly string[] | undefined,
): PatchStep[] {
  let current = file;
  return parts.map((part) => {
    const step = new PatchStep(current, part, secretNames);
    current = patchFile(current, part);
    return step;
  });
}
