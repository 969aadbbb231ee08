import type { ErrorCode, HomieError } from '../../errors';
import { DeviceLocks } from '../../homie/lock';
import { FolderLock } from './folder-lock';

/** The use of a folder by this process. While the folder is not ours, nothing is sent to any device. */
export class FolderUse {
  readonly lock: FolderLock;
  readonly #tell: (error: HomieError) => void;
  #entered = false;
  #unguard: () => void = () => undefined;
  /** How many times `begin` was called. */
  #begun = 0;
  /** Errors that were reported and are not repeated. USER_DIR_IN_USE is repeated after the folder was ours again. */
  readonly #told = new Set<ErrorCode>();

  constructor(folder: string, tell: (error: HomieError) => void) {
    this.lock = FolderLock.of(folder);
    this.#tell = tell;
  }

  /**
   * Takes the folder, unless it is ours already.
   *
   * @returns the tokens of our period of ownership and of the previous owner; undefined when another process uses it
   */
  async begin(): Promise<{ readonly token: string; readonly before: string | undefined } | undefined> {
    this.#begun += 1;
    if (!this.#entered) {
      this.#entered = true;
      this.lock.on('lost', this.#complain);
      this.#unguard = DeviceLocks.guard(() => this.lock.whyNot());
      this.lock.enter();
    }
    const isOurs = await this.lock.decided();
    const { token, before } = this.lock;
    if (!isOurs || token === undefined) {
      this.#complain();
      return undefined;
    }
    this.#told.delete('USER_DIR_IN_USE');
    return { token, before };
  }

  /** Leaves the folder to other processes when `done` resolves, unless `begin` is called meanwhile. */
  async end(done: Promise<unknown>): Promise<void> {
    const begun = this.#begun;
    await done;
    if (!this.#entered || this.#begun !== begun) return;
    this.#entered = false;
    this.lock.off('lost', this.#complain);
    this.#unguard();
    this.lock.leave();
  }

  /** Reports an error of the folder, once per code. */
  tellOnce(error: HomieError | undefined): void {
    if (error === undefined || this.#told.has(error.code)) return;
    this.#told.add(error.code);
    this.#tell(error);
  }

  readonly #complain = (): void => {
    if (this.#entered) this.tellOnce(this.lock.whyNot());
  };
}
