// The mails of every language in Chromium, as narrow as a phone and as wide as a mail program, in light and in dark colours: a code that is
// cut off, that stands outside of the picture or that has the colour of its ground cannot be typed, and details must be read as they
// were approved.
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';

import { chromium, type Browser } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { BUILT_IN_TEXTS, DefaultMessageRenderer, smsSegments } from '../../lib/messages/index.js';
import { CHROMIUM, CHROMIUM_ARGS, hasChromium, SCREENSHOTS } from '../support/chromium.js';
import { flawsOfMail } from './audit.js';

const CODE = '042317';
const LANGUAGES = [...BUILT_IN_TEXTS.keys()];
const WIDTHS = [360, 800];
/** The colours of the ground behind the mail. */
const SCHEMES = { light: 'rgb(241, 243, 245)', dark: 'rgb(22, 24, 29)' } as const;
const SHOWN = LANGUAGES.flatMap((language) =>
  WIDTHS.flatMap((width) =>
    (['light', 'dark'] as const).map((colorScheme) => ({ language, width, colorScheme })),
  ),
);
const HOSTILE = [
  'Payee: <img src=x onerror="document.title = \'hacked\'"><script>document.title = "hacked"</script>',
  'Reference: شركة المدفوعات 12-34 (עברית)',
  `Note: ${'Donaudampfschifffahrtsgesellschaftskapitaen'.repeat(3)}`,
];

function mailOf(language: string, approves: readonly string[]) {
  const settings = { texts: BUILT_IN_TEXTS, language, host: 'bank.example' };
  return new DefaultMessageRenderer(settings).render({
    code: CODE,
    purpose: 'login',
    approves: [...approves],
    language,
    expiresInSeconds: 600,
    product: 'ACME Bank',
    way: 'email',
  });
}

describe.each(hasChromium ? [CHROMIUM] : [])('The mails in Chromium', (executablePath) => {
  let browser: Browser;
  beforeAll(async () => {
    await mkdir(SCREENSHOTS, { recursive: true });
    browser = await chromium.launch({ executablePath, args: CHROMIUM_ARGS });
  });
  afterAll(() => browser?.close());

  it('are in seven languages, whose text messages take two segments at most', () => {
    const segments = LANGUAGES.map((language) => {
      const { alphabet, segments: count } = smsSegments(mailOf(language, []).sms);
      return { language, alphabet, count };
    });
    process.stdout.write(`Segments of text messages: ${JSON.stringify(segments)}\n`);
    expect(LANGUAGES).toHaveLength(7);
    for (const { count } of segments) expect([1, 2]).toContain(count);
  });

  it.each(SHOWN)(
    'show the whole code and the details as text in $language at $width pixels, $colorScheme',
    async ({ language, width, colorScheme }) => {
      const page = await browser.newPage({ viewport: { width, height: 700 }, colorScheme });
      try {
        await page.setContent(mailOf(language, HOSTILE).html!);
        await page.screenshot({
          path: join(SCREENSHOTS, `mail-${language}-${width}-${colorScheme}.png`),
          fullPage: true,
        });

        expect(await page.evaluate('getComputedStyle(document.body).backgroundColor')).toBe(
          SCHEMES[colorScheme],
        );
        expect(await flawsOfMail(page)).toEqual([]);
        expect(await page.getAttribute('html', 'lang')).toBe(language);
        expect(await page.evaluate('document.documentElement.scrollWidth')).toBeLessThanOrEqual(
          width,
        );
        const box = await page.getByText(CODE, { exact: true }).first().boundingBox();
        expect(box!.x).toBeGreaterThanOrEqual(0);
        expect(box!.x + box!.width).toBeLessThanOrEqual(width);
        expect(box!.y + box!.height).toBeLessThanOrEqual(700);
        // The markup of the details is read, and none of it is an element.
        expect(await page.title()).not.toBe('hacked');
        expect(await page.locator('img, script, a').count()).toBe(0);
        const text = await page.innerText('body');
        for (const line of HOSTILE) expect(text.replaceAll(/\s+/g, ' ')).toContain(line);
      } finally {
        await page.close();
      }
    },
  );
});
