import type { NodeAPI } from 'node-red';

/** Returns where a relative path begins: the same folder as for the file nodes of Node-RED. */
export function workingFolderOf(RED: NodeAPI): string {
  const folder: unknown = Reflect.get(RED.settings, 'fileWorkingDirectory');
  return typeof folder === 'string' && folder !== '' ? folder : process.cwd();
}
