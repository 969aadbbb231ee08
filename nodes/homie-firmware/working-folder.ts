import type { NodeAPI } from 'node-red';

/** Returns the folder that relative paths start from, the same as for the file nodes of Node-RED. */
export function workingFolderOf(RED: NodeAPI): string {
  const folder: unknown = Reflect.get(RED.settings, 'fileWorkingDirectory');
  return typeof folder === 'string' && folder !== '' ? folder : process.cwd();
}
