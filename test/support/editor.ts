import { existsSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import path from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import { chromium, type Browser, type Locator, type Page } from 'playwright-core';
import { HANG_LIMIT } from './limits';
import { root } from './node-red';
import { assertAccessible, assertLayout, assertQuiet, recordPage, type PageRecord } from './page-checks';

const artifacts = path.join(root, 'artifacts');

/** The first one cannot show a window. It renders the same pages with about two thirds of the computing time. */
const browsers = ['/usr/bin/chromium-headless-shell', '/usr/bin/chromium'];

const executablePath = process.env['CHROMIUM'] ?? browsers.find(existsSync) ?? '/usr/bin/chromium';

/** Whether screenshots are saved for people to look at. No assertion needs them, and each takes up to a second. */
export const pictures = process.env['PICTURES'] !== undefined;

const darkTheme = path.join(__dirname, 'dark-theme.css');

const node24 = process.env['NODE24'];

/** Node-RED 4 on the Node.js of the tests, and Node-RED 5 if NODE24 names a Node.js for it. */
export const runtimes = [
  { title: 'Node-RED 4', tag: '4', options: { runtime: 'node-red' }, dark: false },
  ...(node24 === undefined
    ? []
    : [
        { title: 'Node-RED 5', tag: '5', options: { runtime: 'node-red-5', node: node24 }, dark: false },
        { title: 'Node-RED 5, dark', tag: '5-dark', options: { runtime: 'node-red-5', node: node24 }, dark: true },
      ]),
];

/** Returns whether a Chromium is installed. @throws {Error} if it is missing and CI is set */
export function chromiumAvailable(): boolean {
  const found = existsSync(executablePath);
  if (!found && process.env['CI'] !== undefined) throw new Error(`${executablePath} is not installed`);
  return found;
}

/** Starts a headless browser. */
export async function openBrowser(): Promise<Browser> {
  return chromium.launch({ executablePath, args: ['--no-sandbox', '--disable-dev-shm-usage'] });
}

/** Theme, language and login of the editor. */
export interface Appearance {
  readonly dark?: boolean;
  /** Language of the texts. Default: English, the browser's. */
  readonly language?: 'en-US' | 'de';
  /** Access token of the logged-in user. */
  readonly token?: string;
}

/** Returns an appearance with the defaults of what it leaves out. */
function whole({ dark = false, language = 'en-US', token }: Appearance) {
  return { dark, language, token };
}

/** The editor of Node-RED in a browser, operated as a person would. */
export class Editor {
  /** The complaints of the page, and its requests to servers other than Node-RED. */
  readonly record: PageRecord;
  /** The messages of Node-RED to the editor: statuses, and the output of debug nodes. */
  readonly told: string[] = [];
  readonly page: Page;
  readonly #browser: Browser;
  #appearance = whole({});

  private constructor(browser: Browser, page: Page, url: string) {
    this.#browser = browser;
    this.page = page;
    this.record = recordPage(page, url);
    page.on('websocket', (socket) => {
      socket.on('framereceived', ({ payload }) => this.told.push(payload.toString()));
    });
  }

  static async open(url: string, appearance: Appearance = {}): Promise<Editor> {
    const browser = await openBrowser();
    try {
      const context = await browser.newContext({ viewport: { width: 1500, height: 950 } });
      context.setDefaultTimeout(HANG_LIMIT);
      const editor = new Editor(browser, await context.newPage(), url);
      await editor.page.goto(`${url}/favicon.ico`);
      await editor.#remember(appearance);
      await editor.page.goto(url);
      await editor.loaded();
      return editor;
    } catch (error) {
      await browser.close();
      throw error;
    }
  }

  /** Reloads the editor with another appearance, unless it already has this one. */
  async appear(appearance: Appearance): Promise<void> {
    if (isDeepStrictEqual(whole(appearance), this.#appearance)) return;
    await this.#remember(appearance);
    await this.reload();
  }

  async #remember(appearance: Appearance): Promise<void> {
    this.#appearance = whole(appearance);
    const { dark, language, token } = this.#appearance;
    const stored = { 'view-dark-theme': dark ? 'dark' : 'light', 'editor-language': language };
    const login = token === undefined ? {} : { 'auth-tokens': JSON.stringify({ access_token: token }) };
    await this.page.evaluate(`Object.assign(localStorage, ${JSON.stringify({ ...stored, ...login })})`);
  }

  async reload(): Promise<void> {
    await this.page.reload();
    await this.loaded();
  }

  /** Imports a flow, which gets its own tab or goes into the current one. */
  async import(flow: string): Promise<void> {
    const { page } = this;
    await page.evaluate("RED.actions.invoke('core:show-import-dialog')");
    await page.locator('#red-ui-clipboard-dialog-import-text').fill(flow);
    await page.locator('#red-ui-clipboard-dialog-import-text').press('Space');
    await page.locator('#red-ui-clipboard-dialog-ok:not([disabled])').click();
    await page.locator('#red-ui-clipboard-dialog').waitFor({ state: 'hidden' });
  }

  /** Opens the dialog of a node, and waits until it is ready. */
  async edit(id: string): Promise<void> {
    await this.page.evaluate(`RED.editor.edit(RED.nodes.node(${JSON.stringify(id)}))`);
    await this.page.locator('#node-dialog-ok').waitFor();
    await this.opened();
  }

  /** Opens the dialog of the config node that a property of the open dialog selects. */
  async editConfig(property: string): Promise<void> {
    await this.page.locator(`#node-input-btn-${property}-edit`).click();
    await this.page.locator('#node-config-dialog-ok').waitFor();
    await this.opened();
  }

  /** Closes the top dialog with its Done or Update button. */
  async ok(): Promise<void> {
    await this.#leave('ok');
  }

  /** Closes the top dialog and discards its changes. */
  async cancel(): Promise<void> {
    await this.#leave('cancel');
  }

  async #leave(button: 'ok' | 'cancel'): Promise<void> {
    const config = this.page.locator(`#node-config-dialog-${button}`);
    const clicked = (await config.isVisible()) ? config : this.page.locator(`#node-dialog-${button}`);
    await clicked.click();
    await clicked.waitFor({ state: 'detached' });
    await this.settled();
  }

  /** Opens all folded parts of a dialog. */
  async unfold(form: string): Promise<void> {
    await this.page.evaluate(`$(${JSON.stringify(form)}).find('details').prop('open', true)`);
  }

  /** Returns the ids of the foldable parts of a dialog that are open. */
  async unfolded(form: string): Promise<string[]> {
    return this.page.locator(`${form} details[open]`).evaluateAll((parts) => parts.map(({ id }) => id));
  }

  /** Scrolls a part of a dialog into view, and saves a screenshot of the page. */
  async picture(part: string, name: string): Promise<void> {
    await this.page.locator(part).evaluate((element) => element.scrollIntoView());
    await this.screenshot(name);
  }

  /** Fills the first typed input of the open dialog. */
  async fillTyped(value: string): Promise<void> {
    await this.page.locator('.red-ui-typedInput-container input.red-ui-typedInput-input').first().fill(value);
  }

  /**
   * Opens the menu of a typed input, and waits until it has stopped moving: an earlier click would miss its entries.
   */
  async openMenu(button: string): Promise<Locator> {
    await this.page.locator(button).first().click();
    await this.settled();
    return this.page.locator('.red-ui-typedInput-options:visible');
  }

  /** Asserts that nothing in a part of the page overlaps, extends beyond its edge or is cut off. */
  async fits(part: string): Promise<void> {
    await assertLayout(this.page, part);
  }

  /** Asserts that a part of the page is accessible. @param except CSS selectors of elements that belong to Node-RED */
  async accessible(part: string, except: readonly string[] = []): Promise<void> {
    await assertAccessible(this.page, part, except);
  }

  /** Waits until a node has this status text. */
  async status(id: string, text: string): Promise<void> {
    await this.page.waitForFunction(`RED.nodes.node(${JSON.stringify(id)}).status?.text === ${JSON.stringify(text)}`);
  }

  /** Clicks the button of an inject node. */
  async inject(id: string): Promise<void> {
    await this.page.locator(`[id="${id}"] .red-ui-flow-node-button-button`).click();
  }

  /** Waits until a debug node with this name has shown a message that contains this text. Unfolds objects. */
  async debugged(name: string, text: string): Promise<void> {
    await this.page.waitForFunction(`(() => {
      const messages = [...document.querySelectorAll('.red-ui-debug-msg')].filter((message) =>
        message.querySelector('.red-ui-debug-msg-name')?.textContent.includes(${JSON.stringify(name)}),
      );
      for (const handle of document.querySelectorAll('.red-ui-debug-msg-object-handle:not([data-seen])')) {
        handle.setAttribute('data-seen', '');
        if (handle.closest('.red-ui-debug-msg-object-entry') === null) handle.parentElement.click();
      }
      return messages.some((message) => message.textContent.includes(${JSON.stringify(text)}));
    })()`);
  }

  /** Waits until no notification covers the page. */
  async notificationsGone(): Promise<void> {
    await this.page.waitForFunction("$('#red-ui-notifications .red-ui-notification:visible').length === 0");
  }

  async deploy(): Promise<void> {
    const { page } = this;
    const deployed = page.waitForResponse(
      (response) => response.url().endsWith('/flows') && response.request().method() === 'POST',
    );
    await page.locator('#red-ui-header-button-deploy').click();
    await deployed;
    await page.locator('#red-ui-header-button-deploy.disabled').waitFor();
  }

  /** Returns a property of a node as the editor has it. */
  async property(id: string, name: string): Promise<unknown> {
    return this.page.evaluate(`RED.nodes.node(${JSON.stringify(id)})[${JSON.stringify(name)}]`);
  }

  /** Saves a screenshot for people to look at, if PICTURES is set. */
  async screenshot(name: string): Promise<void> {
    if (pictures) await this.capture(name);
  }

  /** Saves a screenshot for people to look at, if PICTURES is set, as soon as no notification covers the page. */
  async clearScreenshot(name: string): Promise<void> {
    if (!pictures) return;
    await this.notificationsGone();
    await this.capture(name);
  }

  /** Saves a screenshot, also if PICTURES is not set: of a failure. */
  async capture(name: string): Promise<void> {
    await mkdir(artifacts, { recursive: true });
    await this.page.screenshot({ path: path.join(artifacts, `${name}.png`) });
  }

  /** Asserts that the page has neither complained nor sent requests elsewhere than to Node-RED since the last call. */
  quiet(): void {
    assertQuiet(this.record);
  }

  /** Closes the browser, and asserts `quiet`. */
  async close(): Promise<void> {
    await this.#browser.close();
    this.quiet();
  }

  /** Waits until all animations, such as those of the trays, have ended. */
  async settled(): Promise<void> {
    await this.page.waitForFunction(
      "document.getAnimations().every((animation) => animation.playState !== 'running') && $(':animated').length === 0",
    );
  }

  /**
   * Waits until a dialog has opened. The dialog takes the focus some time later, is resized, and is then raised:
   * earlier clicks and key presses would be lost, and menus closed.
   */
  async opened(): Promise<void> {
    await this.page.waitForFunction(
      "$('.red-ui-tray-body').last()[0].contains(document.activeElement) && $('#red-ui-editor-stack').css('zIndex') === '13'",
    );
    await this.settled();
  }

  private async loaded(): Promise<void> {
    await this.page.locator('#red-ui-palette-container').waitFor();
    await this.page.waitForFunction(
      "window.RED && RED.nodes && RED.nodes.getType('homie-ota') && !document.querySelector('#red-ui-loading-progress:not([style*=none])')",
    );
    const darkAlready = "document.documentElement.classList.contains('nr-theme-dark')";
    if (this.#appearance.dark && (await this.page.evaluate(darkAlready)) !== true)
      await this.page.addStyleTag({ path: darkTheme });
  }
}
