import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { root } from './node-red';

/** A route that the package adds to the admin API of Node-RED. */
export interface AdminRoute {
  readonly method: string;
  /** Path below `/homie-ota/`. */
  readonly path: string;
}

const PREFIX = '/homie-ota/';
const folder = path.join(root, 'nodes');

/** All routes that the sources in `nodes` add. Loading this throws if a source adds a route in an unknown way. */
export const adminRoutes: readonly AdminRoute[] = readdirSync(folder, { recursive: true, encoding: 'utf8' })
  .filter((file) => file.endsWith('.ts'))
  .flatMap((file) => {
    const source = readFileSync(path.join(folder, file), 'utf8');
    const found = [...source.matchAll(/\bhttpAdmin\.(get|post|put|patch|delete)\(\s*'([^']+)'/g)];
    const mentions = source.match(/\bhttp(Admin|Node)\b/g)?.length ?? 0;
    if (mentions !== found.length) throw new Error(`${file} makes a route in another way`);
    return found.map(([, method = '', route = '']) => {
      if (!route.startsWith(PREFIX)) throw new Error(`${file} has a route outside of ${PREFIX}: ${route}`);
      return { method: method.toUpperCase(), path: route.slice(PREFIX.length) };
    });
  });

if (adminRoutes.length === 0) throw new Error('there are no routes');

export function nameOf({ method, path: route }: AdminRoute): string {
  return `${method} ${route}`;
}
