// Messages of <two-factor-code> that are queued, late, failed, or not sent any more. A person who is not told waits for a message that
// does not come.
import type { Page } from 'playwright-core';
import { expect, it } from 'vitest';

import { alertOf, asked, change, describeElement, enter, phase, refuse } from './element-steps.js';

describeElement('<two-factor-code>, where a message is awaited,', (suite) => {
  const { code, open, wrong } = suite;

  it.each([
    ['sent', 'We sent a code to \u2068', ''],
    ['failed', '', 'The code could not be sent.'],
  ])(
    'says that a queued message is being sent, that it is late, and that it was %s',
    async (end, sent, alert) => {
      const page = await open({ attributes: 'purpose="plain"' });
      let delivery: Record<string, unknown> = { delivery: 'queued' };
      for (const route of ['request-confirmation', 'check']) {
        await change(page, route, () => delivery);
      }
      await page.getByRole('button', { name: 'Continue' }).click();
      await asked(page);
      const introduction = page.locator('[part=sent]');
      expect(await introduction.textContent()).toContain('We are sending a code to \u2068');
      const status = page.getByRole('status');
      expect(await status.textContent()).toBe('');

      await suite.pages.pass(page, 8);
      await status
        .getByText('The message is taking longer than usual. We are still trying.')
        .waitFor();
      delivery = { delivery: end, ...(end === 'failed' && { deliveryError: 'send-failed' }) };
      await suite.pages.pass(page, 8);
      await expect.poll(() => introduction.textContent()).toMatch(new RegExp(`^${sent}`));
      await expect.poll(() => alertOf(page).textContent()).toMatch(new RegExp(`^${alert}`));
      expect(await status.textContent()).toBe('');
      expect(await introduction.isVisible()).toBe(sent !== '');
      // The code is accepted all the same: a message that failed may have arrived.
      await enter(page, code());
      await phase(page, 'confirmed');
    },
  );

  it('asks for a queued message every five seconds, and says for good that it was given up', async () => {
    const page = await open({ attributes: 'purpose="plain"' });
    let delivery: Record<string, unknown> = { delivery: 'queued' };
    for (const route of ['request-confirmation', 'check']) {
      await change(page, route, () => delivery);
    }
    await page.getByRole('button', { name: 'Continue' }).click();
    await asked(page);
    // The first pauses double: 1, 2, 4 and 8 seconds after the answer.
    await suite.pages.pass(page, 38);
    await page.getByRole('status').getByText('The message is taking longer than usual.').waitFor();
    delivery = { delivery: 'failed', deliveryError: 'send-failed' };

    await suite.pages.pass(page, 5);

    const unsent = alertOf(page).getByText('The code could not be sent.');
    await unsent.waitFor();
    await suite.pages.pass(page, 60);
    expect(await unsent.isVisible()).toBe(true);
  });

  it('says nothing about attempts when the first message failed, and lets it be sent again', async () => {
    const page = await open({ attributes: 'purpose="plain"' });
    await refuse(page, 'request-confirmation', 'send-failed', {
      id: '0'.repeat(36),
      retryAfter: 30,
    });
    await page.getByRole('button', { name: 'Continue' }).click();
    const unsent = alertOf(page).getByText('The code could not be sent.');
    await unsent.waitFor();
    const resend = page.getByRole('button', { name: /^Send the code again/ });
    expect(await resend.textContent()).toContain('Send the code again in \u20680:30\u2069');

    expect(await page.locator('two-factor-code').getByText('Attempts').count()).toBe(0);
    await suite.pages.pass(page, 29);
    await expect
      .poll(() => resend.textContent())
      .toContain('Send the code again in \u20680:01\u2069');
    await suite.pages.pass(page, 1);
    await page.getByRole('status').getByText('You can have the code sent again now.').waitFor();
    expect(await resend.getAttribute('aria-disabled')).toBeNull();
    // Otherwise the person would wait, above an empty field, for a message that was never sent.
    await suite.pages.pass(page, 60);
    expect(await unsent.isVisible()).toBe(true);
    await page.unroute('**/2factor/request-confirmation');
    await page.route('**/2factor/resend', (call) =>
      call.fulfill({ json: { id: '0'.repeat(36), expiresIn: 600, resendIn: 30, method: 'code' } }),
    );
    await resend.click();
    await expect.poll(() => alertOf(page).textContent()).toBe('');
  });

  async function useUpAttempts(page: Page): Promise<void> {
    for (const left of [4, 3, 2, 1]) {
      await enter(page, wrong());
      await alertOf(page).getByText(`Attempts left: \u2068${left}\u2069.`).waitFor();
    }
    await enter(page, wrong());
  }

  it.each(['has expired', 'has ended after five wrong codes'])(
    'waits for the message of a new confirmation that failed when the last one %s',
    async (end) => {
      const page = await open();
      await asked(page);
      if (end === 'has expired') await suite.pages.pass(page, 600);
      else await useUpAttempts(page);
      await phase(page, 'ended');
      await refuse(page, 'request-confirmation', 'send-failed', {
        id: '0'.repeat(36),
        retryAfter: 30,
      });

      await page.getByRole('button', { name: 'Start again' }).click();
      await alertOf(page).getByText('The code could not be sent.').waitFor();
      await suite.pages.pass(page, 1);

      await page.getByText('Send the code again in \u20680:29\u2069').waitFor();
      expect(await page.evaluate('element.phase')).toBe('open');
      // What was known of the last confirmation is not said of this one.
      const element = page.locator('two-factor-code');
      expect(await element.getByText(/Attempts left|Time left|We sent a code/).count()).toBe(0);
      await suite.pages.pass(page, 600);
      expect(await page.evaluate('element.phase')).toBe('open');
    },
  );

  it('lets the person start again beside the field when the code cannot be sent again', async () => {
    const page = await open();
    await asked(page);
    const id = await page.evaluate('element.confirmationId');
    const before = suite.pages.test.inbox.deliveries.length;
    await suite.pages.pass(page, 30);
    await refuse(page, 'resend', 'too-many-requests');
    const resend = page.getByRole('button', { name: /^Send the code again/ });
    const start = page.getByRole('button', { name: 'Start again' });
    expect(await start.count()).toBe(0);

    await resend.click();
    await start.waitFor();
    expect(await alertOf(page).textContent()).toBe('The code cannot be sent again.');
    expect(await resend.count()).toBe(0);
    expect(await page.evaluate('element.shadowRoot.activeElement.id')).toBe('code');
    await suite.pages.pass(page, 5);
    expect(await alertOf(page).textContent()).toBe('The code cannot be sent again.');
    // A code that has arrived can still be typed, as the wrong one shows.
    await enter(page, wrong());
    await alertOf(page).getByText('The code is wrong.').waitFor();
    await start.click();
    await expect.poll(() => page.evaluate('element.confirmationId')).not.toBe(id);

    expect(suite.pages.test.inbox.deliveries).toHaveLength(before + 1);
    expect(await alertOf(page).textContent()).toBe('');
    expect(await start.count()).toBe(0);
    expect(await resend.textContent()).toMatch(/again in \u20680:30\u2069/);
    await enter(page, code());
    await phase(page, 'confirmed');
  });

  it('ends the confirmation when its sender was removed, and starts another one', async () => {
    const page = await open();
    await asked(page);
    const id = await page.evaluate('element.confirmationId');
    await suite.pages.pass(page, 30);
    await refuse(page, 'resend', 'sender-removed');
    await page.getByRole('button', { name: /^Send the code again/ }).click();
    await phase(page, 'ended');
    await alertOf(page).getByText('The code cannot be sent again.').waitFor();

    await page.getByRole('button', { name: 'Start again' }).click();
    await asked(page);
    expect(await page.evaluate('element.confirmationId')).not.toBe(id);
  });
});
