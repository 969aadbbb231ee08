/** What is to be known of each job without reading its file again. */
interface Indexed {
  /** The node that goes on with it; undefined when nobody does. */
  readonly node?: string | undefined;
  /** MD5 of the firmware that it needs. */
  readonly firmware?: string | undefined;
}

/** The jobs that are written down: of which node they are, and how many of them need a firmware. */
export class JobIndex {
  readonly #jobs = new Map<string, Indexed>();
  readonly #needs = new Map<string, number>();

  add(id: string, { node, firmware }: Indexed): void {
    this.remove(id);
    this.#jobs.set(id, { node, firmware });
    this.#count(firmware, 1);
  }

  /** @returns the firmware that no job needs any more, if there is one */
  remove(id: string): string | undefined {
    const firmware = this.#jobs.get(id)?.firmware;
    if (!this.#jobs.delete(id)) return undefined;
    this.#count(firmware, -1);
    return firmware === undefined || this.needs(firmware) ? undefined : firmware;
  }

  /** Whether a job needs the firmware. */
  needs(firmware: string): boolean {
    return this.#needs.has(firmware);
  }

  /** The ids of the jobs of a node. */
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
