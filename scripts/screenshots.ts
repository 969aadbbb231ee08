/** Takes the screenshots of the documentation in a running editor, the first one during an update. */
import { mkdir } from 'node:fs/promises';
import path from 'node:path';
import { Editor } from '../test/support/editor';
import { root } from '../test/support/node-red';
import { firmware, setScene } from './scene';

const folder = path.join(root, 'docs/images');
/** The example in most of the screenshots. */
const first = '1 - Update one device';
const file = (name: string): string => path.join(folder, `${name}.png`);

/** Returns a browser expression for the first node of a type in the tab of an example. */
function find(type: string, tab: string, name?: string): string {
  const fits = name === undefined ? '' : ` && node.name === ${JSON.stringify(name)}`;
  return `RED.nodes.filterNodes({ type: ${JSON.stringify(type)} })
    .find((node) => RED.nodes.workspace(node.z).label === ${JSON.stringify(tab)}${fits})`;
}

async function main(): Promise<void> {
  await mkdir(folder, { recursive: true });
  const scene = await setScene([first, 'Change a configuration', 'List devices', 'Find firmware']);
  try {
    const editor = await Editor.open(scene.nodeRed.url);
    try {
      await flowWhileUpdating(editor);
      await dialogs(editor);
      await deviceList(editor);
      await connectionTest(editor);
      await sidebar(editor);
    } finally {
      await editor.close();
    }
  } finally {
    await scene.close();
  }
}

/** Shows the whole editor with the example flow during an update. */
async function flowWhileUpdating({ page }: Editor): Promise<void> {
  const ota = find('homie-ota', first);
  await page.setViewportSize({ width: 1420, height: 640 });
  await page.evaluate("RED.sidebar.show('debug')");
  await page.locator('#red-ui-palette-search input').first().pressSequentially('homie');
  await page
    .locator('#red-ui-palette-container .red-ui-palette-node[data-palette-type="inject"]')
    .waitFor({ state: 'hidden' });
  await page.waitForFunction(`${ota}.status?.fill === 'green'`);
  await page.evaluate(`fetch('inject/' + ${find('inject', first, 'update')}.id, { method: 'POST' })`);
  await page.waitForFunction(`/^[6-8]\\d %/.test(${ota}.status?.text)`);
  await page.screenshot({ path: file('flow') });
  await page.waitForFunction(`${ota}.status?.fill === 'green'`);
}

/** Shows the dialog of each node of the palette. */
async function dialogs(editor: Editor): Promise<void> {
  await editor.page.setViewportSize({ width: 1420, height: 1000 });
  for (const [type, tab] of [
    ['homie-ota', first],
    ['homie-config', 'Change a configuration'],
    ['homie-devices', 'List devices'],
    ['homie-firmware', 'Find firmware'],
  ] as const) {
    await open(editor, find(type, tab));
    await takeTray(editor, type);
    await editor.cancel();
  }
}

/** Shows the devices that the device field offers. */
async function deviceList(editor: Editor): Promise<void> {
  const { page } = editor;
  await open(editor, find('homie-ota', first));
  const field = page.locator('.red-ui-typedInput-container input.red-ui-typedInput-input').first();
  await field.fill('');
  await field.press('ArrowDown');
  await page.locator('.red-ui-autoComplete-container .homie-offer').nth(2).waitFor();
  await takeTray(editor, 'device-list');
  await field.press('Escape');
  await editor.cancel();
}

/** Shows the dialog of homie-broker after a successful connection test. */
async function connectionTest(editor: Editor): Promise<void> {
  const { page } = editor;
  await open(editor, find('homie-ota', first));
  await editor.editConfig('broker');
  await page.locator('#homie-broker-test').click();
  await page.locator('#homie-broker-answer[data-mood="good"]').waitFor();
  await takeTray(editor, 'homie-broker');
  await editor.cancel();
  await editor.cancel();
}

/** Shows the sidebar with firmware on offer and selected devices. */
async function sidebar({ page }: Editor): Promise<void> {
  const tab = page.locator('.homie-sidebar');
  await page.setViewportSize({ width: 1420, height: 700 });
  await page.evaluate("RED.actions.invoke('homie-ota:show-devices')");
  await tab.locator('.homie-row').nth(2).waitFor();
  await tab.locator('[data-key=offers], [data-key=add-firmware]').first().click();
  const chooser = page.waitForEvent('filechooser');
  await tab.getByRole('button', { name: 'Choose file …' }).click();
  await (await chooser).setFiles(firmware.new);
  await tab.getByText('The image is valid and on offer.').waitFor();
  await tab.locator('[data-key=back]').click();
  await tab.locator('[data-key=tick-available]').click();
  await tab.getByRole('button', { name: /^Update \(/ }).waitFor();
  await tab.screenshot({ path: file('sidebar') });
}

async function open(editor: Editor, node: string): Promise<void> {
  await editor.edit(String(await editor.page.evaluate(`${node}.id`)));
}

/** Takes a screenshot of the top dialog, cut off below its content. */
async function takeTray({ page }: Editor, name: string): Promise<void> {
  const tray = page.locator('.red-ui-tray').last();
  const box = await tray.boundingBox();
  const bottom: unknown = await tray.evaluate((element) => {
    const offers = document.querySelectorAll('.red-ui-autoComplete-container');
    const parts = [...Array.from(element.querySelectorAll('.homie-form *')), ...Array.from(offers)];
    return Math.max(
      ...parts.filter((part) => part.checkVisibility()).map((part) => part.getBoundingClientRect().bottom),
    );
  });
  if (box === null) throw new Error('no dialog is open');
  const height = Math.min(box.height, Number(bottom) - box.y + 16);
  await page.screenshot({ path: file(name), clip: { ...box, height } });
}

main().catch((error: unknown) => {
  console.error(error);
  process.exitCode = 1;
});
