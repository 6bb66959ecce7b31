// The methods that <two-factor-code> lets a person choose from. A person without a telephone must be able to use the app or a recovery
// code.
import type { Page } from 'playwright-core';
import { expect, it } from 'vitest';

import {
  alertOf,
  describeElement,
  enter,
  eventsOf,
  field,
  phase,
  refuse,
} from './element-steps.js';

describeElement('<two-factor-code>, where there are several methods,', (suite) => {
  const { open } = suite;

  /** The groups of a recovery code that the field displays in more than one line. A copy of the field has nodes to measure. */
  async function brokenGroups(page: Page, text: string): Promise<string[]> {
    return page.evaluate(`(() => {
      const text = ${JSON.stringify(text)};
      const field = element.shadowRoot.querySelector('textarea');
      const style = getComputedStyle(field);
      const copy = document.createElement('div');
      for (const name of style) copy.style.setProperty(name, style.getPropertyValue(name));
      Object.assign(copy.style, { blockSize: 'auto', overflow: 'visible' });
      copy.textContent = text;
      field.after(copy);
      const broken = text.split('-').filter((group) => {
        const range = document.createRange();
        const start = text.indexOf(group);
        range.setStart(copy.firstChild, start);
        range.setEnd(copy.firstChild, start + group.length);
        return range.getClientRects().length > 1;
      });
      copy.remove();
      return broken;
    })()`);
  }

  it.each([360, 320])(
    'shows all of a recovery code, and each group in one line, %i px wide',
    async (width) => {
      const { user, recoveryCodes } = await suite.newUserWithApp();
      const page = await open(
        { user, attributes: 'purpose="login" start' },
        { viewport: { width, height: 640 } },
      );
      await page.getByRole('button', { name: 'Recovery code' }).click();
      await page.getByLabel('Recovery code').waitFor();
      expect(
        await page.evaluate(
          'element.shadowRoot.activeElement === element.shadowRoot.querySelector("textarea")',
        ),
      ).toBe(true);

      // The widest letters.
      for (const text of ['WWWWW-WWWWW-WWWWW-WWWWW-WWWWW', recoveryCodes[0]!]) {
        await field(page).fill(text);
        const hidden = await field(page).evaluate((node) => [
          node.scrollWidth - node.clientWidth,
          node.scrollHeight - node.clientHeight,
        ]);
        expect(hidden).toEqual([0, 0]);
      }
      expect(await brokenGroups(page, recoveryCodes[0]!)).toEqual([]);
      // Safari on a telephone zooms into a field with smaller letters.
      const font = 'parseFloat(getComputedStyle(element.shadowRoot.activeElement).fontSize)';
      expect(await page.evaluate(font)).toBeGreaterThanOrEqual(16);
      await page.keyboard.press('Enter');
      await phase(page, 'confirmed');
    },
  );

  it('switches between the methods of a person: the app, a sent code and a recovery code', async () => {
    const { user, app, recoveryCodes } = await suite.newUserWithApp();
    const page = await open({ user, attributes: 'purpose="login" start' });
    await page.getByLabel('Code from your authenticator app').waitFor();
    expect(await page.getByRole('button', { name: /Send the code again/ }).count()).toBe(0);

    await page.getByRole('button', { name: 'Send me a code' }).click();
    await page.getByText('We sent a code to').waitFor();
    expect(suite.pages.test.inbox.deliveries.at(-1)?.token).toBe(`${user}@example.com`);
    const messages = suite.pages.test.inbox.deliveries.length;
    // After a reload the same message is found again.
    await page.reload();
    await page.getByLabel('Code from your authenticator app').waitFor();
    await page.getByRole('button', { name: 'Send me a code' }).click();
    await page.getByText('We sent a code to').waitFor();
    expect(suite.pages.test.inbox.deliveries).toHaveLength(messages);
    await page.getByRole('button', { name: 'Recovery code' }).click();
    await page.getByLabel('Recovery code').waitFor();
    expect(await field(page).getAttribute('inputmode')).toBe('text');
    await page.getByRole('button', { name: 'Authenticator app' }).click();
    await enter(page, app.wrongCode());
    await alertOf(page).getByText('The code is wrong.').waitFor();
    await page.getByRole('button', { name: 'Recovery code' }).click();
    expect(await alertOf(page).textContent()).toBe('');
    await enter(page, recoveryCodes[0]!.toLowerCase());
    await phase(page, 'confirmed');

    const [[, requested], ...later] = (await eventsOf(page)) as [[string, object]];
    // The three ways were ways to approve one confirmation.
    expect(later.at(-1)).toEqual(['confirmed', { ...requested, method: 'recovery' }]);
  });

  it('offers what a locked person can still use', async () => {
    const page = await open({ attributes: 'purpose="login"' });
    await refuse(page, 'request-confirmation', 'too-many-requests', {
      retryAfter: 600,
      methods: ['recovery'],
    });
    await page.getByRole('button', { name: 'Continue' }).click();
    const request = page.waitForRequest('**/2factor/request-confirmation');

    await page.getByRole('button', { name: 'Recovery code' }).click();

    expect((await request).postDataJSON()).toMatchObject({ purpose: 'login', method: 'recovery' });
  });
});
