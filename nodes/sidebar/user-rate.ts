import { setNewest } from '../../src/set-newest';
import { RateLimit } from '../shared/rate-limit';
import { SidebarRefusal } from './sidebar-refusal';

/** How many requests of a user may change something: at the same time, and within a minute. */
const LIMITS = { atOnce: 10, begun: 60, within: 60_000 } as const;

/** Maximum number of users whose requests are counted. The user who sent the oldest request is dropped first. */
const MAX_USERS = 1000;

/** The sender of a request. */
export interface Asker {
  /** Set if users have to log in. */
  readonly user?: unknown;
  readonly socket: { readonly remoteAddress?: string | undefined };
}

/** Limits the requests of each user. */
export class UserRate {
  readonly #users = new Map<string, RateLimit>();

  /**
   * Does what a user requests.
   *
   * @throws {SidebarRefusal} busy: the user has sent too many requests
   */
  async run<T>(user: string, work: () => Promise<T>): Promise<T> {
    const limit = this.#users.get(user) ?? new RateLimit(LIMITS);
    setNewest(this.#users, user, limit, MAX_USERS);
    if (limit.state !== 'free') throw new SidebarRefusal('busy');
    return limit.run(work);
  }
}

/** Returns a key for the user who sends the request, or else for the address. */
export function userOf({ user, socket }: Asker): string {
  const username: unknown = Reflect.get(Object(user), 'username');
  return typeof username === 'string' ? `user ${username}` : `address ${socket.remoteAddress ?? ''}`;
}
