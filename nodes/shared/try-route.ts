import type { NodeAPI } from 'node-red';
import { RateLimit, type Limits } from './rate-limit';
import { fieldsOf, type Request } from './request';
import { ownPagesOnly } from './same-origin';

/** A button in a dialog that tests the settings of the dialog. */
interface Try {
  readonly limits: Limits;
  /** The answer when a limit is reached: what happened, and what to do. */
  readonly refusals: Readonly<Record<'running' | 'begun', readonly [message: string, hint: string]>>;
  /**
   * Tests the settings. Must not reject.
   *
   * @param fields the fields of the dialog
   */
  readonly answer: (fields: Request) => Promise<unknown>;
}

type Handler = ReturnType<NodeAPI['auth']['needsPermission']>;

/**
 * Returns the handlers of a route with which the editor tests the settings in a dialog. It requires the permissions
 * `homie-ota.write` and `flows.write`: as a deployed flow could, a test expands environment variables, reads files, and
 * connects to any server.
 */
export function tryHandlers(RED: NodeAPI, { limits, refusals, answer }: Try): Handler[] {
  const limit = new RateLimit(limits);
  const handle: Handler = (request, response) => {
    const body: unknown = request.is('application/json') ? request.body : undefined;
    const fields = fieldsOf(body);
    if (fields === undefined) {
      response.status(400).json({ message: 'The request must be a JSON object with the settings as texts.' });
      return;
    }
    const { state } = limit;
    if (state !== 'free') {
      const [message, hint] = refusals[state];
      response.status(429).json({ message, hint });
      return;
    }
    void limit.run(() => answer(fields)).then((result) => response.json(result));
  };
  return [ownPagesOnly, RED.auth.needsPermission('homie-ota.write'), RED.auth.needsPermission('flows.write'), handle];
}
