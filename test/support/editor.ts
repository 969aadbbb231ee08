import { existsSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import path from 'node:path';
import { chromium, type Browser, type Locator, type Page } from 'playwright-core';
import { HANG_LIMIT } from './limits';
import { root } from './node-red';
import { assertAccessible, assertLayout, assertQuiet, recordPage, type PageRecord } from './page-checks';

const artifacts = path.join(root, 'artifacts');

const executablePath = process.env['CHROMIUM'] ?? '/usr/bin/chromium';

const darkTheme = path.join(__dirname, 'dark-theme.css');

/** Node-RED 4 on the Node.js of the tests, and 5 where another one is given that it runs on. */
export const runtimes = [
  { title: 'Node-RED 4', tag: '4', options: { runtime: 'node-red' }, dark: false },
  ...(process.env['NODE24'] === undefined
    ? []
    : [
        { title: 'Node-RED 5', tag: '5', options: { runtime: 'node-red-5', node: process.env['NODE24'] }, dark: false },
        {
          title: 'Node-RED 5, dark',
          tag: '5-dark',
          options: { runtime: 'node-red-5', node: process.env['NODE24'] },
          dark: true,
        },
      ]),
];

/** Whether a Chromium is installed. Where CI is set, its absence is an error. */
export function chromiumAvailable(): boolean {
  const found = existsSync(executablePath);
  if (!found && process.env['CI'] !== undefined) throw new Error(`${executablePath} is not installed`);
  return found;
}

/** A browser without a window. */
export async function openBrowser(): Promise<Browser> {
  return chromium.launch({ executablePath, args: ['--no-sandbox', '--disable-dev-shm-usage'] });
}

/** How the editor looks to whoever uses it. */
export interface Appearance {
  readonly dark?: boolean;
  /** Of its texts; that of the browser, English, unless given. */
  readonly language?: 'en-US' | 'de';
  /** With which somebody has logged in. */
  readonly token?: string;
}

/** The editor of Node-RED in a browser, as a person uses it. */
export class Editor {
  /** What the page has complained of, and whom it has asked but Node-RED itself. */
  readonly record: PageRecord;
  /** What Node-RED has told the editor while it was open: statuses, and what debug nodes show. */
  readonly told: string[] = [];
  readonly page: Page;
  readonly #browser: Browser;
  #dark = false;

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
      const context = await browser.newContext({
        viewport: { width: 1500, height: 950 },
      });
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

  /** Reloads the editor, with another theme or language. */
  async appear(appearance: Appearance): Promise<void> {
    await this.#remember(appearance);
    await this.reload();
  }

  async #remember({ dark = false, language = 'en-US', token }: Appearance): Promise<void> {
    this.#dark = dark;
    const stored = { 'view-dark-theme': dark ? 'dark' : 'light', 'editor-language': language };
    const login = token === undefined ? {} : { 'auth-tokens': JSON.stringify({ access_token: token }) };
    await this.page.evaluate(`Object.assign(localStorage, ${JSON.stringify({ ...stored, ...login })})`);
  }

  async reload(): Promise<void> {
    await this.page.reload();
    await this.loaded();
  }

  /** Imports a flow into a tab of its own, or onto the present one. */
  async import(flow: string): Promise<void> {
    const { page } = this;
    await page.evaluate("RED.actions.invoke('core:show-import-dialog')");
    await page.locator('#red-ui-clipboard-dialog-import-text').fill(flow);
    await page.locator('#red-ui-clipboard-dialog-import-text').press('Space');
    await page.locator('#red-ui-clipboard-dialog-ok:not([disabled])').click();
    await page.locator('#red-ui-clipboard-dialog').waitFor({ state: 'hidden' });
  }

  /** Opens the dialog of a node of the flow. */
  async edit(id: string): Promise<void> {
    await this.page.evaluate(`RED.editor.edit(RED.nodes.node(${JSON.stringify(id)}))`);
    await this.page.locator('#node-dialog-ok').waitFor();
    await this.opened();
  }

  /** From the dialog of a node, opens that of the config node that it uses. */
  async editConfig(property: string): Promise<void> {
    await this.page.locator(`#node-input-btn-${property}-edit`).click();
    await this.page.locator('#node-config-dialog-ok').waitFor();
    await this.opened();
  }

  /** Closes the upper dialog by its Done or Update. */
  async ok(): Promise<void> {
    await this.#leave('ok');
  }

  /** Closes the upper dialog and forgets what was changed in it. */
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

  /** Opens all that is folded in a dialog. */
  async unfold(form: string): Promise<void> {
    await this.page.evaluate(`$(${JSON.stringify(form)}).find('details').prop('open', true)`);
  }

  /** The folded parts of a dialog that are open. */
  async unfolded(form: string): Promise<string[]> {
    return this.page.locator(`${form} details[open]`).evaluateAll((parts) => parts.map(({ id }) => id));
  }

  /** Keeps a picture of a part of a dialog, with what is in it in observer. */
  async picture(part: string, name: string): Promise<void> {
    await this.page.locator(part).evaluate((element) => element.scrollIntoView());
    await this.screenshot(name);
  }

  /** Fills the first typed input of the open dialog. */
  async fillTyped(value: string): Promise<void> {
    await this.page.locator('.red-ui-typedInput-container input.red-ui-typedInput-input').first().fill(value);
  }

  /** Opens the menu of a typed input. It slides to its place: what is clicked before that goes astray. */
  async openMenu(button: string): Promise<Locator> {
    await this.page.locator(button).first().click();
    await this.settled();
    return this.page.locator('.red-ui-typedInput-options:visible');
  }

  /** Asserts that nothing in a part of the page overlaps, reaches beyond its edge or is cut off. */
  async fits(part: string): Promise<void> {
    await assertLayout(this.page, part);
  }

  /** Asserts that labels, roles and contrast in a part of the page are as they must be, but in what is Node-RED's own. */
  async accessible(part: string, except: readonly string[] = []): Promise<void> {
    await assertAccessible(this.page, part, except);
  }

  /** Waits until this text stands below a node. */
  async status(id: string, text: string): Promise<void> {
    await this.page.waitForFunction(`RED.nodes.node(${JSON.stringify(id)}).status?.text === ${JSON.stringify(text)}`);
  }

  /** Presses the button of an inject node. */
  async inject(id: string): Promise<void> {
    await this.page.locator(`[id="${id}"] .red-ui-flow-node-button-button`).click();
  }

  /** Waits until a debug node of this name has shown an object with this text in it. */
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

  /** Until nothing that Node-RED tells covers the page. */
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

  /** A property of a node as the editor has it. */
  async property(id: string, name: string): Promise<unknown> {
    return this.page.evaluate(`RED.nodes.node(${JSON.stringify(id)})[${JSON.stringify(name)}]`);
  }

  /** Keeps a picture for people to look at. */
  async screenshot(name: string): Promise<void> {
    await mkdir(artifacts, { recursive: true });
    await this.page.screenshot({ path: path.join(artifacts, `${name}.png`) });
  }

  /** Asserts that the page has neither complained nor asked anybody but Node-RED since this was asserted last. */
  quiet(): void {
    assertQuiet(this.record);
  }

  /** Closes the browser. Throws when the page has complained, or has asked anybody but Node-RED. */
  async close(): Promise<void> {
    await this.#browser.close();
    this.quiet();
  }

  /** Until the trays have slid to their place. */
  async settled(): Promise<void> {
    await this.page.waitForFunction(
      "document.getAnimations().every((animation) => animation.playState !== 'running') && $(':animated').length === 0",
    );
  }

  /**
   * A dialog that has opened takes the focus some time later, is resized, and is then raised: what is pressed before that
   * goes astray, and a menu is closed.
   */
  private async opened(): Promise<void> {
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
    if (this.#dark && (await this.page.evaluate(darkAlready)) !== true)
      await this.page.addStyleTag({ path: darkTheme });
  }
}
