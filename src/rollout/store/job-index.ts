/** What is known of each job without reading its file again. */
interface Indexed {
  /** The node that continues the job; undefined when none does. */
  readonly node?: string | undefined;
  /** MD5 of the image that the job needs. */
  readonly firmware?: string | undefined;
}

/** The stored jobs: the node of each, and how many need an image. */
export class JobIndex {
  readonly #jobs = new Map<string, Indexed>();
  readonly #needs = new Map<string, number>();

  add(id: string, { node, firmware }: Indexed): void {
    this.remove(id);
    this.#jobs.set(id, { node, firmware });
    this.#count(firmware, 1);
  }

  /** Removes a job. @returns the MD5 of its image if no other job needs it */
  remove(id: string): string | undefined {
    const firmware = this.#jobs.get(id)?.firmware;
    if (!this.#jobs.delete(id)) return undefined;
    this.#count(firmware, -1);
    return firmware === undefined || this.needs(firmware) ? undefined : firmware;
  }

  /** Returns whether any job needs the image with this MD5. */
  needs(firmware: string): boolean {
    return this.#needs.has(firmware);
  }

  /** Returns the ids of the jobs of a node. */
  of(node: string): string[] {
    return [...this.#jobs].flatMap(([id, job]) => (job.node === node ? [id] : []));
  }

  #count(firmware: string | undefined, change: 1 | -1): void {
    if (firmware === undefined) return;
    const count = (this.#needs.get(firmware) ?? 0) + change;
    if (count > 0) this.#needs.set(firmware, count);
    else this.#needs.delete(firmware);
  }
}
