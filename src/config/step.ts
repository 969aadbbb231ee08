import { patchFile, published, touchedSecrets, type DeviceFile } from './file';
import { leaves, pathText, type JsonObject } from './json';
import { writePatch } from './patch';
import { maskObject } from './secrets';

/**
 * One message to a device: a patch, and what the device publishes before and after it. The properties are fit for
 * messages and logs, secrets masked; what may hold secrets comes from the methods only.
 */
export class Step {
  /** The patch, secrets masked. */
  readonly patch: JsonObject;
  /** The paths that it sets or removes. */
  readonly paths: readonly string[];
  /** The stripped secrets that it sets or removes: whether they were taken, the device never says. */
  readonly unverified: readonly string[];
  readonly #file: DeviceFile;
  readonly #patch: JsonObject;
  readonly #secretNames: readonly string[] | undefined;
  #others: readonly Step[] = [];
  readonly #text: string;
  readonly #before: JsonObject;
  readonly #expected: JsonObject;

  constructor(file: DeviceFile, patch: JsonObject, secretNames?: readonly string[]) {
    [this.#file, this.#patch, this.#secretNames] = [file, patch, secretNames];
    this.patch = maskObject(patch, secretNames);
    this.paths = leaves(patch).map(pathText);
    this.unverified = touchedSecrets(patch).map(pathText);
    this.#text = writePatch(patch);
    this.#before = published(file);
    this.#expected = published(patchFile(file, patch));
  }

  /** The same message to a device of which it is not known which file it has: each of these may be what comes of it. */
  or(others: readonly Step[]): Step {
    const step = new Step(this.#file, this.#patch, this.#secretNames);
    step.#others = others;
    return step;
  }

  /** What may come of the message, this step first. */
  ways(): readonly Step[] {
    return [this, ...this.#others];
  }

  /** The JSON text to publish. Holds the secrets. */
  text(): string {
    return this.#text;
  }

  /** What the device publishes as its configuration before the step. May hold secret settings. */
  before(): JsonObject {
    return this.#before;
  }

  /** What the device publishes as its configuration when it has taken the step. May hold secret settings. */
  expected(): JsonObject {
    return this.#expected;
  }
}
