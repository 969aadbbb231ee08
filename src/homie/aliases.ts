/**
 * The keys under which the same device, or the same scope, may be known. A key starts with the host of the broker: see
 * `scopeOf`. The same broker may have several hosts, for instance an address and a name.
 */
export class Aliases {
  readonly #hosts = new Set<string>();

  /** Notes the host of a key. */
  note(key: string): void {
    this.#hosts.add(hostOf(key));
  }

  /** Returns a key with each host that was noted, the key itself first. */
  of(key: string): readonly string[] {
    const host = hostOf(key);
    const rest = key.slice(host.length);
    return [...new Set([host, ...this.#hosts])].map((each) => `${each}${rest}`);
  }
}

function hostOf(key: string): string {
  return key.slice(0, Math.max(0, key.indexOf('/')));
}
