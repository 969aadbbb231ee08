/** The part of a request that is checked. */
interface Asked {
  readonly headers: Readonly<Record<string, string | readonly string[] | undefined>>;
}

/** The part of a response that is used. */
export interface Reply {
  status(code: number): this;
  json(body: unknown): unknown;
}

/**
 * Accepts requests from Node-RED's own pages, or from no page at all. Node-RED allows every site to call its admin API
 * (CORS with any origin), so without a login, a page of any site could start something.
 *
 * A page that makes its own host name point to this machine (DNS rebinding) cannot be distinguished from Node-RED's own
 * pages. Without a login, such a page can deploy flows, so a list of allowed hosts here would keep nobody out.
 */
export function ownPagesOnly(request: Asked, response: Reply, next: () => void): void {
  if (isOwn(request)) {
    next();
    return;
  }
  response.status(403).json({
    code: 'cross_site',
    message: 'This request comes from a page on another site.',
    hint: 'Use the editor of this Node-RED. Behind a proxy without HTTPS, let the proxy pass on the Host header.',
  });
}

function isOwn({ headers }: Asked): boolean {
  // Browsers send this header on secure connections, even if a proxy has changed the Host header.
  const site = headers['sec-fetch-site'];
  if (site !== undefined) return site === 'same-origin' || site === 'none';
  const { origin, host } = headers;
  if (origin === undefined) return true;
  return typeof origin === 'string' && URL.canParse(origin) && new URL(origin).host === host;
}
