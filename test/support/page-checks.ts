import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import type { Page } from 'playwright-core';

const layoutScript = readFileSync(path.join(__dirname, 'page-layout.js'), 'utf8');
const axeScript = readFileSync(require.resolve('axe-core/axe.min.js'), 'utf8');

/** What a page says and asks for while it is open. */
export interface PageRecord {
  /** What it has written as errors and warnings, and what it threw. */
  readonly complaints: string[];
  /** Requests to anything but the server that it came from. */
  readonly foreignRequests: string[];
}

/**
 * Listens to a page from now on.
 *
 * @param url of the server that it may ask
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

/** Asserts that a page has neither complained nor asked anybody else since this was asserted last. */
export function assertQuiet({ complaints, foreignRequests }: PageRecord): void {
  assert.deepEqual(
    { complaints: complaints.splice(0), foreignRequests: foreignRequests.splice(0) },
    { complaints: [], foreignRequests: [] },
  );
}

/**
 * Asserts that in a part of a page no control and no line of text overlaps another, reaches beyond the part or is cut
 * off, and that each field has room for its placeholder, each select for any of its options. A text that ends with an
 * ellipsis needs a title that tells all of it. What is folded or hidden is not looked at.
 *
 * @param part a selector of CSS; each of the parts that it finds and that can be seen
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

/** For axe-core all in a body without height, such as the editor's, is hidden. */
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
 * Asserts that axe-core finds nothing wrong with a part of a page by WCAG 2.1 A and AA: labels, names, roles, contrast.
 *
 * @param part a selector of CSS
 * @param except selectors of what in it is the editor's own
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
