import { mkdir, symlink, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { linkedUserDir, root } from '../support/node-red';

/** A new userDir to which the package is linked, and Dashboard 2 beside it. */
export async function dashboardUserDir(): Promise<string> {
  const userDir = await linkedUserDir();
  const name = '@flowfuse/node-red-dashboard';
  await mkdir(path.join(userDir, 'node_modules/@flowfuse'), { recursive: true });
  await symlink(path.join(root, 'node_modules', name), path.join(userDir, 'node_modules', name));
  const dependencies = { '@homie-ota/node-red-homie-ota': '*', [name]: '*' };
  await writeFile(
    path.join(userDir, 'package.json'),
    JSON.stringify({ name: 'user-dir', private: true, dependencies }),
  );
  return userDir;
}

/** What the readme of the example asks for: the default is too small for many firmwares. */
export const dashboardSettings = { dashboard: { maxHttpBufferSize: 2e7 } };
