// Refusals, lost answers and clients of the application that fail. The element must say so and be usable afterwards.
import type { Page } from 'playwright-core';
import { expect, it } from 'vitest';

import {
  alertOf,
  asked,
  change,
  confirmButton,
  describeElement,
  enter,
  eventsOf,
  field,
  phase,
  refuse,
} from './element-steps.js';

describeElement('<two-factor-code>, where a call fails,', (suite) => {
  const { code, open } = suite;

  it.each([
    ['no-subject', 'request-confirmation', {}, 'Please sign in first.'],
    [
      'temporarily-unavailable',
      'request-confirmation',
      { retryAfter: 1 },
      'does not work right now',
    ],
    [
      'too-many-requests',
      'request-confirmation',
      { retryAfter: 75 },
      /Try again in \u20681:15\u2069/,
    ],
    ['a-slug-of-tomorrow', 'request-confirmation', {}, 'This does not work right now.'],
  ] as const)('says %s, and can be tried again', async (slug, route, members, sentence) => {
    const page = await open({ attributes: 'purpose="plain"' });
    await refuse(page, route, slug, members);

    await page.getByRole('button', { name: 'Continue' }).click();
    await alertOf(page).getByText(sentence).waitFor();
    expect((await eventsOf(page)).at(-1)).toMatchObject(['refused', { problem: { error: slug } }]);
    if (slug === 'too-many-requests') await suite.pages.pass(page, members.retryAfter);
    await page.getByRole('button', { name: 'Continue' }).click();
    await asked(page);
  });

  it('goes on when the answer to the right code was lost', async () => {
    const page = await open();
    await asked(page);
    await page.route(
      '**/2factor/confirm',
      async (call) => {
        await call.fetch();
        await call.abort();
      },
      { times: 1 },
    );

    await enter(page, code());
    await alertOf(page).getByText('There is no connection.').waitFor();
    expect(await field(page).inputValue()).toBe(code());
    await confirmButton(page).click();
    await phase(page, 'confirmed');
  });

  /** A script that sets a client of the application, and records rejections that nothing handles. */
  const withClient = (expression: string): string => `
    window.rejections = [];
    addEventListener('unhandledrejection', ({ reason }) => rejections.push(String(reason)));
    const { createTwoFactorClient } = await import('/client/index.js');
    let calls = 0;
    element.client = ${expression};
    document.body.dataset.ready = '';`;
  const isReady = (page: Page): Promise<void> =>
    page.locator('body[data-ready]').waitFor({ state: 'attached' });

  it.each([
    [
      'the headers of the application fail once',
      `createTwoFactorClient({
        headers: async () => {
          calls += 1;
          if (calls === 1) throw new Error('The token could not be refreshed.');
          return {};
        },
      })`,
    ],
    [
      'a client of the application throws once',
      `{
        ...createTwoFactorClient(),
        requestConfirmation: (body, options) => {
          calls += 1;
          if (calls === 1) throw new Error('The token could not be refreshed.');
          return createTwoFactorClient().requestConfirmation(body, options);
        },
      }`,
    ],
  ])('can be pressed again after %s', async (_, expression) => {
    const page = await open({
      attributes: 'purpose="plain"',
      script: withClient(expression),
    });
    await isReady(page);
    const start = page.getByRole('button', { name: 'Continue' });

    await start.click();
    await alertOf(page).getByText('There is no connection. Please try again.').waitFor();
    expect(await start.getAttribute('aria-disabled')).toBeNull();
    await start.click();
    await asked(page);

    expect(await page.evaluate('rejections')).toEqual([]);
  });

  it('goes on when a client of the application cannot ask what became of a queued message', async () => {
    const page = await open({
      attributes: 'purpose="plain"',
      script: withClient(`{
        ...createTwoFactorClient(),
        check: async () => {
          calls += 1;
          document.body.dataset.checks = String(calls);
          throw new Error('The token could not be refreshed.');
        },
      }`),
    });
    await change(page, 'request-confirmation', () => ({ delivery: 'queued' }));
    await isReady(page);
    await page.getByRole('button', { name: 'Continue' }).click();
    await asked(page);

    await suite.pages.pass(page, 2);
    await page.locator('body[data-checks="2"]').waitFor({ state: 'attached' });

    expect(await page.evaluate('rejections')).toEqual([]);
    await enter(page, code());
    await phase(page, 'confirmed');
  });

  it('takes a client and texts that the page set before the module was loaded', async () => {
    const page = await open({ attributes: 'purpose="plain"' });
    await page.evaluate(`(async () => {
      const early = document.createElement('two-factor-early');
      early.texts = { start: 'Los' };
      document.querySelector('main').append(early);
      customElements.define('two-factor-early', class extends customElements.get('two-factor-code') {});
    })()`);

    expect(await page.getByRole('button', { name: 'Los' }).count()).toBe(1);
  });
});
