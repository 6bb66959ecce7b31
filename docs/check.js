// Looks at the built site in Chromium: no page and no table is wider than the window, no word of a table is broken within, and the search
// leads to the page about what people type.
// Run `npm run docs` before. With a folder as argument it leaves pictures there: `npm run docs:check -- FOLDER`.
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { createServer } from 'node:http';
import { extname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

import { chromium } from 'playwright-core';

const DIST = fileURLToPath(new URL('.vitepress/dist', import.meta.url));
const WIDTHS = [360, 768, 1280];
/** What people type, and the page on which they read about it. It must be among the first results, which are seen without scrolling. */
const SEARCHED = {
  TOTP: '/guides/authenticator-app',
  Twilio: '/guides/twilio',
  passkey: '/guides/passkeys',
  'rate limit': '/guides/limits',
};
const FIRST_RESULTS = 3;
const PICTURED = new Set([
  'index',
  'misconfigurations',
  'comparison',
  'how-it-works',
  'errors',
  'guides/sign-in-that-you-have',
]);
const TYPES = {
  '.html': 'text/html',
  '.js': 'text/javascript',
  '.css': 'text/css',
  '.svg': 'image/svg+xml',
};
const [pictures] = process.argv.slice(2);

if (!existsSync(DIST)) throw new Error('The site is not built. Run npm run docs.');
const server = createServer((request, response) => {
  const path = decodeURIComponent((request.url ?? '/').split('?')[0]);
  const file = [path, `${path}.html`, `${path}index.html`]
    .map((name) => join(DIST, name))
    .find((name) => name.startsWith(DIST) && existsSync(name) && statSync(name).isFile());
  response.statusCode = file === undefined ? 404 : 200;
  response.setHeader('content-type', TYPES[extname(file ?? '')] ?? 'application/octet-stream');
  response.end(file === undefined ? '' : readFileSync(file));
}).listen(0, '127.0.0.1');
await new Promise((resolve) => server.once('listening', resolve));
const { port } = server.address();
const origin = `http://127.0.0.1:${port}`;

const API = /^reference\/api\//;
const built = readdirSync(DIST, { recursive: true })
  .filter((file) => file.endsWith('.html') && !file.startsWith('404'))
  .map((file) => file.replace(/\.html$/, ''));
const pages = [...built.filter((path) => !API.test(path)), ...longestOfEachKind()];

/** The API reference has hundreds of pages, which typedoc writes alike and which take minutes: the longest of each kind stands for all. */
function longestOfEachKind() {
  const sizeOf = (path) => statSync(join(DIST, `${path}.html`)).size;
  const longest = new Map();
  for (const path of built.filter((each) => API.test(each))) {
    const kind = path.split('/').at(-2);
    if (sizeOf(path) > (longest.has(kind) ? sizeOf(longest.get(kind)) : 0)) longest.set(kind, path);
  }
  return longest.values();
}

/** Words in cells whose letters stand on more than one line. A name of code may be divided where the page allows it (`wbr`). */
const brokenWords = () => {
  const found = [];
  for (const cell of document.querySelectorAll('.vp-doc :is(th, td)')) {
    const texts = document.createTreeWalker(cell, NodeFilter.SHOW_TEXT);
    for (let node = texts.nextNode(); node !== null; node = texts.nextNode()) {
      for (const { 0: word, index } of node.data.matchAll(/[\p{L}\p{N}]+/gu)) {
        const range = document.createRange();
        range.setStart(node, index);
        range.setEnd(node, index + word.length);
        const seen = [...range.getClientRects()].filter(({ width }) => width > 0);
        if (new Set(seen.map(({ top }) => Math.round(top))).size > 1) found.push(word);
      }
    }
  }
  return found;
};

const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM_PATH ?? '/usr/bin/chromium',
  args: ['--no-sandbox', '--disable-gpu'],
});
const complaints = [];
const page = await browser.newPage();
for (const path of pages) {
  await page.goto(`${origin}/${path}`, { waitUntil: 'domcontentloaded' });
  for (const width of WIDTHS) {
    await page.setViewportSize({ width, height: 900 });
    const cut = await page.evaluate(() =>
      ['html', '.vp-doc table'].flatMap((selector) =>
        [...document.querySelectorAll(selector)]
          .filter(
            (element) =>
              element.scrollWidth > element.clientWidth + 1 ||
              element.getBoundingClientRect().right > innerWidth + 1,
          )
          .map((element) => `${selector}: ${element.textContent.trim().slice(0, 40)}`),
      ),
    );
    const broken = await page.evaluate(brokenWords);
    complaints.push(...broken.map((word) => `${path} at ${width}: "${word}" is broken`));
    complaints.push(...cut.map((what) => `${path} at ${width}: ${what.replaceAll(/\s+/g, ' ')}`));
    if (pictures && PICTURED.has(path)) {
      await page.screenshot({ path: join(pictures, `${path.replaceAll('/', '-')}-${width}.png`) });
    }
  }
}

for (const [text, wanted] of Object.entries(SEARCHED)) {
  // A context of its own: the search shows the results of the text before it first.
  const context = await browser.newContext();
  const search = await context.newPage();
  await search.goto(`${origin}/start`, { waitUntil: 'networkidle' });
  await search.keyboard.press('Control+k');
  await search.locator('#localsearch-input').fill(text);
  const results = search.locator('#localsearch-list a.result');
  await results
    .first()
    .waitFor({ timeout: 30_000 })
    .catch(() => undefined);
  const found = await results.evaluateAll((links) =>
    links.map((link) => new URL(link.href).pathname.replace(/\.html$/, '')),
  );
  const first = found.slice(0, FIRST_RESULTS);
  process.stdout.write(`${text}: ${first.join(' | ')}\n`);
  if (!first.includes(wanted)) {
    complaints.push(
      `The search for "${text}" finds ${first.join(', ') || 'nothing'}, not ${wanted}.`,
    );
  }
}
await browser.close();
server.close();
process.stdout.write(
  `${pages.length} pages at ${WIDTHS.join(', ')} pixels, ${complaints.length} complaints\n`,
);
if (complaints.length > 0) {
  process.stderr.write(`${complaints.join('\n')}\n`);
  process.exitCode = 1;
}
