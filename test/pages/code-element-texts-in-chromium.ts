// <two-factor-code> in each language of nestjs-two-factor/client/texts. A text of another language is read with the wrong voice by a
// screen reader, and one that is too long for a telephone is cut off.
import type { Page } from 'playwright-core';
import { expect, it } from 'vitest';

import { SIDEWAYS } from './audit.js';
import { STATES, visitStates } from './element-states.js';
import { asked, describeElement, shoot } from './element-steps.js';

const LANGUAGES = ['en', 'de', 'es', 'fr', 'pt', 'pt-BR', 'uk'];
/** The page sets the texts after the element was defined and displayed, as the guide does. */
const pageIn = (language: string) => ({
  html: `lang="${language}"`,
  script: `
    import { textsFor } from '/client/texts/index.js';
    TwoFactorCode.texts = textsFor(document.documentElement.lang);
    const formsOf = ({ problems, ...others }) => Object.values({ ...others, ...problems })
      .flatMap((text) => (typeof text === 'string' ? text : [0, 1, 2, 5, 30].map(text)));
    window.texts = formsOf(TwoFactorCode.texts);
    window.TwoFactorCode = TwoFactorCode;`,
});

/** The words that are broken within, and those that lie outside of the element. A word may be broken after its hyphen. */
const CUT_OFF = `(() => {
  const { left, right } = element.getBoundingClientRect();
  const walker = document.createTreeWalker(element.shadowRoot, NodeFilter.SHOW_TEXT);
  const found = [];
  while (walker.nextNode()) {
    const node = walker.currentNode;
    // A name that is not displayed, because the time stands in its place.
    if (node.parentElement.className === 'unseen') continue;
    for (const { 0: word, index } of node.data.matchAll(/[^\\s-]+-?/g)) {
      const range = document.createRange();
      range.setStart(node, index);
      range.setEnd(node, index + word.length);
      const lines = [...range.getClientRects()].filter(({ width }) => width > 0);
      const isOutside = lines.some((line) => line.left < left - 1 || line.right > right + 1);
      if (new Set(lines.map(({ top }) => Math.round(top))).size > 1 || isOutside) found.push(word);
    }
  }
  return found;
})()`;

const escaped = (text: string): string => text.replaceAll(/[.*+?^${}()|[\]\\]/g, '\\$&');

/** Recognizes a text by its forms, with anything in the place of the names in braces. */
function recognizer(forms: readonly string[]): RegExp {
  const patterns = forms.map((form) =>
    form
      .split(/\{[a-z]+\}/)
      .map(escaped)
      .join('\u2068.*\u2069'),
  );
  return new RegExp(`^(?:${patterns.join('|')})$`, 'u');
}

/** The names of the controls and lists for a screen reader, and the sentences of the element. */
async function spoken(page: Page): Promise<string[]> {
  const tree = await page.locator('two-factor-code').ariaSnapshot();
  const names = [...tree.matchAll(/^\s*- [a-z]+ "([^"]+)"/gm)].map(([, name]) => name!);
  const sentences = await page.evaluate<string[]>(`
    [...element.shadowRoot.querySelectorAll('p:not(.facts), .facts > span, label, button:not(:has(span)), button > span')]
      .filter((each) => each.checkVisibility() && each.textContent !== '')
      .map((each) => each.textContent)
  `);
  return [...names, ...sentences];
}

describeElement('<two-factor-code>, in seven languages,', (suite) => {
  async function visit(
    language: string,
    width: number,
    look: (page: Page, state: string) => Promise<void>,
  ): Promise<void> {
    const visited: string[] = [];
    const options = { viewport: { width, height: 640 } };
    await visitStates(suite, pageIn(language), options, async (page, state) => {
      visited.push(state);
      await look(page, state);
    });
    expect(visited).toEqual(STATES);
  }

  it.each(LANGUAGES)(
    'says every name and sentence in the language of the page, in each state: %s',
    async (language) => {
      const foreign: string[] = [];
      let count = 0;
      await visit(language, 1280, async (page, state) => {
        const own = recognizer(await page.evaluate<string[]>('texts'));
        const texts = await spoken(page);
        count += texts.length;
        foreign.push(...texts.filter((text) => !own.test(text)).map((text) => `${state}: ${text}`));
      });

      expect(foreign).toEqual([]);
      expect(count).toBeGreaterThan(100);
    },
  );

  it.each(LANGUAGES.flatMap((language) => [360, 320].map((width) => ({ language, width }))))(
    'cuts no word off in any state, $width px wide: $language',
    async ({ language, width }) => {
      const cut: string[] = [];
      await visit(language, width, async (page, state) => {
        await shoot(page, `${width}-${language}-${STATES.indexOf(state) + 1}`);
        const words = await page.evaluate<string[]>(CUT_OFF);
        cut.push(...words.map((word) => `${state}: ${word}`));
        if ((await page.evaluate(SIDEWAYS)) !== 0) cut.push(`${state}: it scrolls sideways`);
      });

      expect(cut).toEqual([]);
    },
  );

  it('would be found to cut a word off when a text had one that is wider than the page', async () => {
    const page = await suite.open(pageIn('de'));
    await asked(page);
    expect(await page.evaluate(CUT_OFF)).toEqual([]);
    const word = 'Rechtsschutzversicherungsgesellschaftsangestellte';

    await page.evaluate(`element.texts = { sent: ${JSON.stringify(word)} }`);

    expect(await page.evaluate(CUT_OFF)).toEqual([word]);
  });

  it('would be found to be in English when a text were missing', async () => {
    const page = await suite.open(pageIn('de'));
    await asked(page);
    const own = recognizer(await page.evaluate<string[]>('texts'));
    expect((await spoken(page)).filter((text) => !own.test(text))).toEqual([]);

    await page.evaluate(`(() => {
      const { confirm, ...others } = TwoFactorCode.texts;
      TwoFactorCode.texts = others;
    })()`);

    // Once as the name of the button, and once as its text.
    const foreign = (await spoken(page)).filter((text) => !own.test(text));
    expect(foreign).toEqual(['Confirm', 'Confirm']);
  });

  it('has the form of its text for the number of attempts and of seconds', async () => {
    const page = await suite.open(pageIn('uk'));
    await asked(page);
    const attempts = page.locator('two-factor-code [part=attempts]');
    expect(await attempts.textContent()).toBe('Залишилося \u20685\u2069 спроб');
    const resend = page.locator('two-factor-code [part~=resend]');
    const status = page.getByRole('status');

    for (const [pass, sentence] of [
      [0, 'через \u206830\u2069 секунд.'],
      [8, 'через \u206822\u2069 секунди.'],
      [1, 'через \u206821\u2069 секунду.'],
    ] as const) {
      await suite.pages.pass(page, pass);
      await resend.click({ force: true });
      await status.getByText(sentence).waitFor();
    }
  });

  it('changes its texts when the page sets those of another language', async () => {
    const page = await suite.open({ ...pageIn('de'), attributes: 'purpose="plain"' });
    await page.getByRole('button', { name: 'Weiter' }).waitFor();

    await page.evaluate(
      'import("/client/texts/index.js").then((m) => { TwoFactorCode.texts = m.FRENCH; })',
    );

    await page.getByRole('button', { name: 'Continuer' }).waitFor();
    // An element that is not on the page any more is not held, and displays the texts when it comes back.
    await page.evaluate('element.remove()');
    await page.evaluate(
      'import("/client/texts/index.js").then((m) => { TwoFactorCode.texts = m.SPANISH; })',
    );
    await page.evaluate('document.querySelector("main").append(element)');
    expect(await page.getByRole('button').allTextContents()).toEqual(['Continuar']);
  });
});
