import type { NodeAPI } from 'node-red';
import { RateLimit, type Limits } from './rate-limit';
import { fieldsOf, type Request } from './request';
import { ownPagesOnly } from './same-origin';

/** A button of a dialog that tries the settings in it. */
interface Try {
  readonly limits: Limits;
  /** What is said where the limits are reached: a sentence, and what to do. */
  readonly refusals: Readonly<Record<'running' | 'begun', readonly [message: string, hint: string]>>;
  /** @param fields those of the dialog. Must not reject */
  readonly answer: (fields: Request) => Promise<unknown>;
}

type Handler = ReturnType<NodeAPI['auth']['needsPermission']>;

/**
 * Returns the handlers of a route by which the editor tries the settings that stand in a dialog. It needs the permission
 * `homie-ota.write`, and `flows.write`, too: it puts environment variables in, reads files, and connects to wherever it is
 * told, as a deployed flow could.
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
