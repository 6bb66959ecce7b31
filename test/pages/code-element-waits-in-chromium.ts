// The countdowns of <two-factor-code>. A person must learn how long a wait is and when it ends, with a wrong clock of the browser too, and
// what was not refused must stay usable.
import type { Page } from 'playwright-core';
import { expect, it } from 'vitest';

import {
  alertOf,
  asked,
  confirmButton,
  describeElement,
  enter,
  field,
  phase,
  refuse,
} from './element-steps.js';

describeElement('<two-factor-code>, where time passes,', (suite) => {
  const { code, open, wrong } = suite;

  it('counts down to the next message and to the end, and says both once', async () => {
    const page = await open();
    await asked(page);
    const resend = page.getByRole('button', { name: /^Send the code again/ });
    const timer = page.getByRole('timer');
    const status = page.getByRole('status');
    expect(await timer.textContent()).toContain('10:00');
    expect(await resend.textContent()).toMatch(/again in \u20680:30\u2069/);

    // Pressing it is possible: it says how long to wait.
    await resend.click({ force: true });
    await status.getByText(/Please wait \u206830\u2069 seconds/).waitFor();
    const before = suite.pages.test.inbox.deliveries.length;
    await suite.pages.pass(page, 30);
    await status.getByText('You can have the code sent again now.').waitFor();
    expect(await resend.getAttribute('aria-disabled')).toBeNull();
    await resend.click();
    await status.getByText('The code is on its way again.').waitFor();
    expect(suite.pages.test.inbox.deliveries).toHaveLength(before + 1);
    expect(await resend.textContent()).toMatch(/again in /);

    await suite.pages.pass(page, 510);
    await status.getByText('One minute left.').waitFor();
    await suite.pages.pass(page, 60);
    await phase(page, 'ended');
    await alertOf(page).getByText('The time is up. Please start again.').waitFor();
    expect(await field(page).count()).toBe(0);

    await page.getByRole('button', { name: 'Start again' }).click();
    await asked(page);
    expect(suite.pages.test.inbox.deliveries).toHaveLength(before + 2);
  });

  it.each([
    ['1.5 seconds behind', -1_500],
    ['1.5 seconds ahead', 1_500],
    ['an hour ahead', 3_600_000],
  ])(
    'counts from the answer on, and sends one message for a press, when the clock of the browser is %s',
    async (_, aheadMs) => {
      const page = await open({ attributes: 'purpose="plain"' });
      const before = suite.pages.test.inbox.deliveries.length;
      await page.clock.setSystemTime(suite.pages.clock.now() + aheadMs);
      // Another origin does not let a page read the time of its answers.
      await page.route('**/2factor/*', async (call) => {
        const response = await call.fetch();
        const { date: _date, ...headers } = response.headers();
        await call.fulfill({ response, headers });
      });

      await page.getByRole('button', { name: 'Continue' }).click();
      await asked(page);
      expect(suite.pages.test.inbox.deliveries).toHaveLength(before + 1);
      const timer = page.getByRole('timer');
      const resend = page.getByRole('button', { name: /^Send the code again/ });
      expect(await timer.textContent()).toBe('Time left: \u206810:00\u2069');
      expect(await resend.textContent()).toMatch(/again in \u20680:30\u2069/);
      await suite.pages.pass(page, 29);
      expect(await timer.textContent()).toBe('Time left: \u20689:31\u2069');
      expect(await resend.textContent()).toMatch(/again in \u20680:01\u2069/);
      expect(await resend.getAttribute('aria-disabled')).toBe('true');

      await suite.pages.pass(page, 1);
      await resend.click();
      await page.getByRole('status').getByText('The code is on its way again.').waitFor();
      expect(suite.pages.test.inbox.deliveries).toHaveLength(before + 2);
      expect(await alertOf(page).textContent()).toBe('');
    },
  );

  /** Records what a screen reader announces: changes within live regions, but not within a timer. */
  async function listen(page: Page): Promise<() => Promise<string[]>> {
    await page.evaluate(`(() => {
      window.announced = [];
      const live = (node) => (node.parentElement ?? node).closest('[role=alert], [role=status], [role=timer]');
      new MutationObserver((changes) => {
        const regions = new Set(changes.map(({ target }) => (target.role ? target : live(target))));
        for (const region of regions) {
          if (region && region.role !== 'timer' && region.textContent !== '') {
            announced.push(region.role + ': ' + region.textContent);
          }
        }
      }).observe(element.shadowRoot, { subtree: true, childList: true, characterData: true });
    })()`);
    return () => page.evaluate<string[]>('announced.splice(0)');
  }

  it('counts a wait after too many requests down, and can be pressed at its end', async () => {
    const page = await open({ attributes: 'purpose="plain"' });
    await refuse(page, 'request-confirmation', 'too-many-requests', { retryAfter: 3_725 });
    const start = page.getByRole('button', { name: 'Continue' });
    const announced = await listen(page);

    await start.click();
    await alertOf(page).getByText('Try again in \u20681:02:05\u2069.').waitFor();
    expect(await start.getAttribute('aria-disabled')).toBe('true');
    await suite.pages.pass(page, 3_425);
    await alertOf(page).getByText('Try again in \u20685:00\u2069.').waitFor();
    // A press sends nothing, and answers how long to wait, for as long as that is true.
    await start.click({ force: true });
    const status = page.getByRole('status');
    await status.getByText('Next attempt in \u20685:00\u2069.').waitFor();
    expect(await page.evaluate('element.phase')).toBe('idle');
    await suite.pages.pass(page, 5);
    expect(await status.textContent()).toBe('');
    await suite.pages.pass(page, 294);
    await alertOf(page).getByText('Try again in \u20680:01\u2069.').waitFor();
    expect(await start.getAttribute('aria-disabled')).toBe('true');

    await suite.pages.pass(page, 1);
    await status.getByText('You can try again now.').waitFor();
    expect(await alertOf(page).textContent()).toBe('');
    expect(await start.getAttribute('aria-disabled')).toBeNull();
    // Four announcements in more than an hour.
    expect(await announced()).toEqual([
      'status: One moment…',
      'alert: Too many attempts. Try again in \u20681:02:05\u2069.',
      'status: Next attempt in \u20685:00\u2069.',
      'status: You can try again now.',
    ]);
    await start.click();
    await asked(page);
  });

  it('names no time and blocks no button when a lock has no end', async () => {
    const page = await open();
    await asked(page);
    await refuse(page, 'confirm', 'too-many-requests');

    await enter(page, wrong());
    await alertOf(page).getByText('Too many attempts.').waitFor();

    expect(await alertOf(page).textContent()).toBe('Too many attempts.');
    expect(await confirmButton(page).getAttribute('aria-disabled')).toBeNull();
    expect(await page.getByRole('button', { name: 'Start again' }).count()).toBe(0);
    await enter(page, code());
    await phase(page, 'confirmed');
  });

  it('lets a person who is refused for one number try another one at once', async () => {
    const page = await open({ attributes: 'purpose="plain"' });
    await refuse(page, 'request-confirmation', 'too-many-requests', { retryAfter: 300 });
    const start = page.getByRole('button', { name: 'Continue' });
    await start.click();
    await alertOf(page).getByText('Try again in').waitFor();

    await page.evaluate(`element.token = '+4915112345678'`);
    await suite.pages.pass(page, 1);
    expect(await start.getAttribute('aria-disabled')).toBeNull();
    const request = page.waitForRequest('**/2factor/request-confirmation');
    await start.click();
    expect((await request).postDataJSON()).toMatchObject({ token: '+4915112345678' });
  });

  it('keeps what was not refused usable during a wait', async () => {
    const { user, app } = await suite.newUserWithApp();
    const page = await open({ user, attributes: 'purpose="login" start' });
    await page.getByLabel('Code from your authenticator app').waitFor();
    // No code can be sent: the app confirms all the same.
    await refuse(page, 'resend', 'too-many-requests', { retryAfter: 30 });
    await page.getByRole('button', { name: 'Send me a code' }).click();
    await alertOf(page).getByText('Try again in \u20680:30\u2069.').waitFor();
    expect(await confirmButton(page).getAttribute('aria-disabled')).toBeNull();
    // Too many codes of the app: other ways can be chosen.
    await refuse(page, 'confirm', 'too-many-requests', { retryAfter: 60 });
    await enter(page, app.wrongCode());
    await alertOf(page).getByText('Try again in \u20681:00\u2069.').waitFor();
    expect(await confirmButton(page).getAttribute('aria-disabled')).toBe('true');
    await page.keyboard.press('Enter');
    await page.getByRole('status').getByText('Next attempt in').waitFor();
    await page.getByRole('button', { name: 'Send me a code' }).click();
    await page.getByText('We sent a code to').waitFor();
    expect(await alertOf(page).textContent()).toBe('');

    // A refused repeat: the code that has arrived confirms.
    await suite.pages.pass(page, 30);
    await refuse(page, 'resend', 'too-many-requests', { retryAfter: 90 });
    const resend = page.getByRole('button', { name: /^Send the code again/ });
    await resend.click();
    await alertOf(page).getByText('Try again in \u20681:30\u2069.').waitFor();
    expect(await resend.textContent()).toMatch(/again in \u20681:30\u2069/);
    await suite.pages.pass(page, 90);
    await page.getByRole('status').getByText('You can have the code sent again now.').waitFor();
    expect(await alertOf(page).textContent()).toBe('');
    await enter(page, code());
    await phase(page, 'confirmed');
  });
});
