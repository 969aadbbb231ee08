import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import { readFileSync } from 'node:fs';
import type { AddressInfo } from 'node:net';
import { startListening } from './ports';

/** A received request. */
export interface Received {
  readonly path: string;
  readonly headers: IncomingMessage['headers'];
}

export type Handler = (request: IncomingMessage, response: ServerResponse) => void;

/** An HTTP server on a free port of 127.0.0.1. It answers each path as the test specifies, and all others with 404. */
export class FileServer {
  readonly #server: Server;
  readonly #scheme: string;
  readonly #handlers = new Map<string, Handler>();
  readonly received: Received[] = [];

  private constructor(server: Server, scheme: string) {
    this.#server = server;
    this.#scheme = scheme;
  }

  /** @param tls paths of a certificate and its key */
  static async start(tls?: { readonly cert: string; readonly key: string }): Promise<FileServer> {
    const handle: Handler = (request, response) => files.#answer(request, response);
    const server =
      tls === undefined
        ? createServer(handle)
        : createTlsServer({ cert: readFileSync(tls.cert), key: readFileSync(tls.key) }, handle);
    const files: FileServer = new FileServer(server, tls === undefined ? 'http' : 'https');
    await startListening(server);
    return files;
  }

  get origin(): string {
    return `${this.#scheme}://127.0.0.1:${addressOf(this.#server).port}`;
  }

  /** Sets the handler of a path, which does not include the query. */
  on(path: string, handler: Handler): void {
    this.#handlers.set(path, handler);
  }

  /** Answers a path with a file, or with 304 if the client knows its `etag` or `last-modified` already. */
  file(path: string, body: Buffer, headers: Readonly<Record<string, string>> = {}): void {
    this.on(path, ({ headers: asked }, response) => {
      const isKnown = asked['if-none-match'] !== undefined && asked['if-none-match'] === headers['etag'];
      const isOld = asked['if-modified-since'] !== undefined && asked['if-modified-since'] === headers['last-modified'];
      if (isKnown || isOld) response.writeHead(304, headers).end();
      else response.writeHead(200, { 'content-length': body.length, ...headers }).end(body);
    });
  }

  json(path: string, value: unknown, headers: Readonly<Record<string, string>> = {}): void {
    this.file(path, Buffer.from(JSON.stringify(value)), { 'content-type': 'application/json', ...headers });
  }

  /** Answers a path with a status and no body. */
  status(path: string, status: number, headers: Readonly<Record<string, string>> = {}): void {
    this.on(path, (_request, response) => response.writeHead(status, headers).end());
  }

  redirect(path: string, location: string, status = 302): void {
    this.status(path, status, { location });
  }

  /** Returns the requests for a path so far. */
  requests(path: string): Received[] {
    return this.received.filter((each) => each.path === path);
  }

  async close(): Promise<void> {
    this.#server.closeAllConnections();
    this.#server.close();
    await once(this.#server, 'close');
  }

  #answer(request: IncomingMessage, response: ServerResponse): void {
    const [path = ''] = (request.url ?? '').split('?');
    this.received.push({ path, headers: request.headers });
    const handler = this.#handlers.get(path);
    if (handler === undefined) response.writeHead(404).end();
    else handler(request, response);
  }
}

function addressOf(server: Server): AddressInfo {
  const address = server.address();
  if (typeof address === 'object' && address !== null) return address;
  throw new Error('the server does not listen');
}
