import assert from 'node:assert/strict';
import { createServer, type Server } from 'node:http';
import type { Browser, Page } from 'playwright-core';
import { describeIf } from '../support/describe-if';
import { chromiumAvailable, openBrowser } from '../support/editor';
import { startListening } from '../support/ports';
import { assertAccessible, assertLayout, assertQuiet, recordPage } from '../support/page-checks';

const sound = `
  <style>.row { display: flex; gap: 8px; width: 300px }</style>
  <div id="part">
    <div class="row"><label for="a">Name</label> <input id="a" placeholder="generated" /></div>
    <div class="row"><select id="b" aria-label="How"><option>as given</option><option>by id</option></select></div>
    <div style="height: 40px; overflow: auto"><p>One line</p><p>Another line</p><button>Scrolled to</button></div>
    <p title="All of it" style="width: 60px; overflow: hidden; text-overflow: ellipsis; white-space: nowrap">All of it, which is long</p>
  </div>`;

/** Pages that are wrong in one way each, and what is said of them. */
const layouts = {
  'controls that overlap': [`<button>One</button><button style="margin-left: -20px">Two</button>`, /overlaps/],
  'text that overlaps a control': [
    `<div style="height: 10px">A hint</div><input style="vertical-align: top" />`,
    /overlaps/,
  ],
  'text that is cut off': [
    `<div style="width: 40px; overflow: hidden; white-space: nowrap">Until it is ready</div>`,
    /cut/,
  ],
  'text that is higher than its box': [`<div style="height: 8px; overflow: hidden">Until it is ready</div>`, /cut/],
  'an ellipsis that hides text': [
    `<div style="width: 40px; overflow: hidden; text-overflow: ellipsis; white-space: nowrap">Until it is ready</div>`,
    /cut/,
  ],
  'an ellipsis that leaves no letters': [
    `<div title="Until it is ready" style="width: 20px; overflow: hidden; text-overflow: ellipsis; white-space: nowrap">Until it is ready</div>`,
    /squeezed/,
  ],
  'a button too small for its text': [
    `<button style="width: 30px; white-space: nowrap">Test the connection</button>`,
    /cut/,
  ],
  'a control beyond the edge': [`<input style="margin-left: 250px; width: 200px" />`, /beyond/],
  'a placeholder too long for its field': [
    `<input placeholder="password, secret, token" style="width: 60px" />`,
    /no room/,
  ],
  'an option too long for its list': [
    `<select style="width: 60px"><option>a</option><option>1460 bytes</option></select>`,
    /no room/,
  ],
} as const;

const accesses = {
  'a field without a label': [`<input />`, /label/],
  'a button without a name': [`<button></button>`, /button-name/],
  'text that is hard to read, although the page has no height': [
    `<style>body { overflow: hidden; height: 0 }</style><p style="color: #999; background: #fff">Hard to read</p>`,
    /color-contrast/,
  ],
} as const;

describeIf(chromiumAvailable())('the checks of pages', () => {
  let browser: Browser;
  let server: Server;
  let page: Page;
  let url: string;

  before(async () => {
    browser = await openBrowser();
    page = await browser.newPage();
    server = createServer((_request, response) =>
      response.setHeader('content-type', 'text/html').end('<!doctype html>'),
    );
    url = `http://127.0.0.1:${await startListening(server)}/`;
  });

  after(async () => {
    await browser.close();
    server.close();
  });

  const show = (content: string): Promise<void> => page.setContent(`<!doctype html><html lang="en">${content}</html>`);

  it('find nothing wrong with a page that is right', async () => {
    await show(sound);
    await assertLayout(page, '#part');
    await assertAccessible(page, '#part');
  });

  for (const [title, [content, said]] of Object.entries(layouts)) {
    it(`find ${title}`, async () => {
      await show(`<div id="part" style="width: 300px">${content}</div>`);
      await assert.rejects(assertLayout(page, '#part'), said);
    });
  }

  for (const [title, [content, said]] of Object.entries(accesses)) {
    it(`find ${title}, unless that is left out`, async () => {
      await show(`<div id="part"><div id="own">${content}</div><p>Text</p></div>`);
      await assert.rejects(assertAccessible(page, '#part'), said);
      await assertAccessible(page, '#part', ['#own']);
    });
  }

  it('find that no text can be seen whose contrast could be measured', async () => {
    await show('<div id="part"><p style="font-size: 0">Text</p></div>');
    await assert.rejects(assertAccessible(page, '#part'), /no text/);
  });

  it('find that what they look at is not there', async () => {
    await show('<p>Nothing</p>');
    await assert.rejects(assertLayout(page, '#part'), /there is no #part/);
  });

  it('find what a page says on its console, and whom it asks', async () => {
    const record = recordPage(page, url);
    await page.goto(url);
    await page.evaluate("fetch('/own')");
    assertQuiet(record);
    await page.evaluate("console.error('broken'); fetch('http://127.0.0.1:9/elsewhere').catch(() => undefined)");
    assert.throws(() => {
      assertQuiet(record);
    }, /broken[\s\S]*elsewhere/);
    await page.evaluate("setTimeout(() => { throw new Error('thrown') })");
    await page.evaluate('new Promise((resolve) => setTimeout(resolve))');
    assert.throws(() => {
      assertQuiet(record);
    }, /thrown/);
  });
});
