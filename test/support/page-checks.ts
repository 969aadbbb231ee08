import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import type { Page } from 'playwright-core';

const layoutScript = readFileSync(path.join(__dirname, 'page-layout.js'), 'utf8');
const axeScript = readFileSync(require.resolve('axe-core/axe.min.js'), 'utf8');

/** Console messages and requests of a page while it is open. */
export interface PageRecord {
  /** Errors and warnings on the console, and uncaught errors. */
  readonly complaints: string[];
  /** Requests to any server but the page's own. */
  readonly foreignRequests: string[];
}

/**
 * Records the complaints and requests of a page from now on.
 *
 * @param url of the only server that the page may send requests to
 */
export function recordPage(page: Page, url: string): PageRecord {
  const complaints: string[] = [];
  const foreignRequests: string[] = [];
  const { host } = new URL(url);
  page.on('console', (message) => {
    if (message.type() === 'error' || message.type() === 'warning') complaints.push(message.text());
  });
  page.on('pageerror', (error) => complaints.push(error.message));
  const asked = (address: string): void => {
    if (/^(https?|wss?):/.test(address) && new URL(address).host !== host) foreignRequests.push(address);
  };
  page.on('request', (request) => {
    asked(request.url());
  });
  page.on('websocket', (socket) => {
    asked(socket.url());
  });
  return { complaints, foreignRequests };
}

/** Asserts that a page has neither complained nor sent a request to another server since the last call. */
export function assertQuiet({ complaints, foreignRequests }: PageRecord): void {
  assert.deepEqual(
    { complaints: complaints.splice(0), foreignRequests: foreignRequests.splice(0) },
    { complaints: [], foreignRequests: [] },
  );
}

/**
 * Asserts that in a part of a page no control and no line of text overlaps another, extends beyond the part or is cut
 * off, and that each field has room for its placeholder and each select for any of its options. A text that ends with
 * an ellipsis needs a title with the full text, and room for some letters. Folded and hidden parts are not checked.
 *
 * @param part a CSS selector; every visible match is checked
 */
export async function assertLayout(page: Page, part: string): Promise<void> {
  await page.evaluate(layoutScript);
  assert.deepEqual(await page.evaluate(`pageLayout(${JSON.stringify(part)})`), []);
}

interface Finding {
  readonly id: string;
  readonly nodes: readonly {
    readonly target: readonly unknown[];
    readonly failureSummary?: string;
    readonly any: readonly { readonly data: { readonly contrastRatio?: number } | null }[];
  }[];
}

/** axe-core considers everything in a body without height, such as the editor's, hidden. */
const run = `async (context, options) => {
  const { style } = document.body;
  const { minHeight } = style;
  style.minHeight = '100vh';
  try {
    return await axe.run(context, options);
  } finally {
    style.minHeight = minHeight;
  }
}`;

/**
 * Asserts that axe-core finds no violation of WCAG 2.1 A and AA in a part of a page: labels, names, roles, contrast.
 *
 * @param part a CSS selector
 * @param except CSS selectors of elements in it that belong to the editor
 */
export async function assertAccessible(page: Page, part: string, except: readonly string[] = []): Promise<void> {
  if ((await page.evaluate("typeof window.axe === 'undefined'")) === true)
    await page.addScriptTag({ content: axeScript });
  const context = JSON.stringify({ include: [part], exclude: except });
  const options = JSON.stringify({ runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa'] });
  const { violations, passes } = await page.evaluate<Record<'violations' | 'passes', readonly Finding[]>>(
    `(${run})(${context}, ${options}).then(({ violations, passes }) => ({ violations, passes }))`,
  );
  const found = violations.flatMap(({ id, nodes }) =>
    nodes.map(({ target, failureSummary }) => `${id} ${target.join(' ')}: ${failureSummary ?? ''}`),
  );
  assert.deepEqual(found, []);
  const measured = passes
    .filter(({ id }) => id === 'color-contrast')
    .flatMap(({ nodes }) => nodes)
    .filter(({ any }) => any.some(({ data }) => data?.contrastRatio !== undefined));
  assert.ok(measured.length > 0, `axe-core has seen no text in ${part}`);
}
