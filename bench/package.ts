import { buildSync } from 'esbuild';
import path from 'node:path';

const file = path.resolve(__dirname, '../artifacts/bench-package.js');

/** Compiles what is measured, as it is for Node-RED: a loader for TypeScript makes the code slower. */
export function compile(): void {
  buildSync({
    entryPoints: [path.join(__dirname, 'measured.ts')],
    bundle: true,
    packages: 'external',
    platform: 'node',
    target: 'node20',
    outfile: file,
  });
}

/** To be called when it is compiled. */
export function load(): typeof import('./measured') {
  return require(file);
}
