// Compiles nodes/ and src/ to dist/ and puts what Node-RED looks for beside the .js: html, locales, icons.
import { execFileSync } from 'node:child_process';
import { cpSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';

const root = path.resolve(import.meta.dirname, '..');
const tsc = path.join(path.dirname(createRequire(import.meta.url).resolve('typescript/package.json')), 'bin/tsc');

rmSync(path.join(root, 'dist'), { recursive: true, force: true });
execFileSync(process.execPath, [tsc, '-p', path.join(root, 'tsconfig.build.json')], { stdio: 'inherit' });
cpSync(path.join(root, 'nodes'), path.join(root, 'dist/nodes'), {
  recursive: true,
  filter: (source) => !source.endsWith('.ts'),
});
cpSync(path.join(root, 'icons'), path.join(root, 'dist/nodes/icons'), { recursive: true });
