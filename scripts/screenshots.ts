/** Takes the pictures of the documentation from a running editor, while an update is under way. */
import { mkdir } from 'node:fs/promises';
import path from 'node:path';
import { Editor } from '../test/support/editor';
import { root } from '../test/support/node-red';
import { setScene } from './scene';

const folder = path.join(root, 'docs/images');

/** A node of the flow in the editor, by its type and its name. */
function find(type: string, name: string): string {
  return `RED.nodes.filterNodes({ type: ${JSON.stringify(type)} }).find((node) => node.name === ${JSON.stringify(name)})`;
}

async function main(): Promise<void> {
  await mkdir(folder, { recursive: true });
  const scene = await setScene(['Update one device']);
  try {
    const editor = await Editor.open(scene.nodeRed.url);
    try {
      await takePictures(editor);
    } finally {
      await editor.close();
    }
  } finally {
    await scene.close();
  }
}

async function takePictures(editor: Editor): Promise<void> {
  const { page } = editor;
  await page.setViewportSize({ width: 1420, height: 640 });
  const ota = "RED.nodes.filterNodes({ type: 'homie-ota' })[0]";
  await page.evaluate("RED.sidebar.show('debug')");
  await page.evaluate("document.querySelector('#red-ui-palette-container-homie').scrollIntoView()");
  await page.waitForFunction(`${ota}.status?.fill === 'green'`);

  await page.evaluate(`fetch('inject/' + ${find('inject', 'update')}.id, { method: 'POST' })`);
  await page.waitForFunction(`/^[6-8]\\d %/.test(${ota}.status?.text)`);
  await page.screenshot({ path: path.join(folder, 'flow.png') });

  await page.waitForFunction(`${ota}.status?.fill === 'green'`);
  const id = await page.evaluate(`${ota}.id`);
  await editor.edit(String(id));
  const tray = page.locator('.red-ui-tray').last();
  await tray.screenshot({ path: path.join(folder, 'homie-ota.png') });
}

main().catch((error: unknown) => {
  console.error(error);
  process.exitCode = 1;
});
