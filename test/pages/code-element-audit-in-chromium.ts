// <two-factor-code> in every state, from left to right and from right to left, in light and dark: WCAG 2.2 AA by axe, which walks into
// the shadow root, and by the checks of audit.ts where axe has no rule.
import type { Page } from 'playwright-core';
import { expect, it } from 'vitest';

import { ARABIC } from '../support/arabic-texts.js';
import { flawsOf } from './audit.js';
import { STATES, visitStates } from './element-states.js';
import { asked, describeElement, shoot } from './element-steps.js';

const RIGHT_TO_LEFT = {
  html: 'lang="ar" dir="rtl"',
  script: `TwoFactorCode.texts = ${JSON.stringify(ARABIC)};`,
};

describeElement('<two-factor-code>, audited,', (suite) => {
  it.each([
    { width: 360, colorScheme: 'light', direction: 'ltr' },
    { width: 360, colorScheme: 'dark', direction: 'ltr' },
    { width: 1280, colorScheme: 'light', direction: 'ltr' },
    { width: 1280, colorScheme: 'dark', direction: 'ltr' },
    { width: 360, colorScheme: 'light', direction: 'rtl' },
    { width: 360, colorScheme: 'dark', direction: 'rtl' },
  ] as const)(
    'has no flaw in any state, $width px wide, $colorScheme and $direction',
    async ({ width, colorScheme, direction }) => {
      const flaws: string[] = [];
      const visited: string[] = [];
      await visitStates(
        suite,
        direction === 'rtl' ? RIGHT_TO_LEFT : {},
        { colorScheme, viewport: { width, height: 640 } },
        async (page, state) => {
          visited.push(state);
          await shoot(page, `${width}-${colorScheme}-${direction}-${visited.length}`);
          flaws.push(...(await flawsOf(page)).map((flaw) => `${state}: ${flaw}`));
        },
      );

      expect(flaws).toEqual([]);
      expect(visited).toEqual(STATES);
    },
  );

  /** Adds a rule to the style sheets of the shadow root. */
  const plantStyle = (rule: string): string => `(() => {
    const sheet = new CSSStyleSheet();
    sheet.replaceSync(${JSON.stringify(rule)});
    element.shadowRoot.adoptedStyleSheets.push(sheet);
  })()`;

  async function audited(): Promise<Page> {
    const page = await suite.open();
    await asked(page);
    await page.clock.resume();
    return page;
  }

  it.each([
    [
      'a field without a label',
      'element.shadowRoot.querySelector("label").remove()',
      /^label: <input/,
    ],
    ['a pale sentence', plantStyle('p { color: #bbb; }'), /^color-contrast: <p part="sent"/],
    [
      'targets of 20 pixels that are close to one another',
      plantStyle('button { min-block-size: 0; block-size: 20px; padding: 0; } .stack { gap: 0; }'),
      /^target-size: <button/,
    ],
    [
      'a button of 23 pixels',
      plantStyle('button { min-block-size: 0; block-size: 23px; padding: 0; }'),
      /x 23 is small: <button part="button confirm"/,
    ],
    [
      'a button of 20 pixels in width',
      plantStyle('.link { inline-size: 20px; overflow: hidden; }'),
      /^20 x \S+ is small: <button part="button resend"/,
    ],
    [
      'a focus that is not displayed',
      plantStyle(':focus-visible { outline: none; }'),
      /^the focus ring of code is faint: 1\.00/,
    ],
    [
      'a focus ring in the colour of the ground',
      plantStyle(':focus-visible { outline-color: Canvas; }'),
      /^the focus ring of button confirm is faint: 1\.00/,
    ],
    [
      'a pale edge of the field',
      plantStyle('input { border-color: #ddd; }'),
      /^the edge of code is faint/,
    ],
    [
      'a bar over the field that has the focus',
      `(() => {
        const bar = document.createElement('div');
        Object.assign(bar.style, { position: 'fixed', inset: '0', background: 'Canvas' });
        document.body.append(bar);
      })()`,
      /^code is hidden while it has the focus/,
    ],
  ])(
    'would be found to have a flaw when there were %s in its shadow root',
    async (_, plant, flaw) => {
      const page = await audited();
      expect(await flawsOf(page)).toEqual([]);

      await page.evaluate(plant);

      expect(await flawsOf(page)).toContainEqual(expect.stringMatching(flaw));
    },
  );
});
