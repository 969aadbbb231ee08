/** What is known of each job without reading its file again. */
interface Indexed {
  /** The node that continues the job; undefined when none does. */
  readonly node?: string | undefined;
  /** MD5 of the image that the job needs. */
  readonly firmware?: string | undefined;
}

/** The stored jobs: the node of each, and the image that it needs. */
export class JobIndex {
  readonly #jobs = new Map<string, Indexed>();

  add(id: string, { node, firmware }: Indexed): void {
    this.#jobs.delete(id);
    this.#jobs.set(id, { node, firmware });
  }

  /** Removes a job. @returns the MD5 of its image if no other job needs it */
  remove(id: string): string | undefined {
    const firmware = this.#jobs.get(id)?.firmware;
    if (!this.#jobs.delete(id)) return undefined;
    return firmware === undefined || this.needs(firmware) ? undefined : firmware;
  }

  /** Returns whether any job needs the image with this MD5. */
  needs(firmware: string): boolean {
    return [...this.#jobs.values()].some((job) => job.firmware === firmware);
  }

  /** Returns the ids of the jobs of a node. */
  of(node: string): string[] {
    return [...this.#jobs].flatMap(([id, job]) => (job.node === node ? [id] : []));
  }
}
