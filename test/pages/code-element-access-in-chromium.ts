// <two-factor-code> for people who use a keyboard or a screen reader, or whose text runs from right to left.
import type { Page } from 'playwright-core';
import { expect, it } from 'vitest';

import { flawsOf } from './audit.js';
import { alertOf, asked, describeElement, field, phase, shoot } from './element-steps.js';

describeElement('<two-factor-code>, without a mouse and from right to left,', (suite) => {
  const { code, open, wrong } = suite;

  it('needs no mouse, and leads the focus on', async () => {
    const page = await open({ attributes: 'purpose="plain"' });
    const active = (): Promise<string> =>
      page.evaluate(
        'element.shadowRoot.activeElement?.textContent || element.shadowRoot.activeElement?.id',
      );
    await page.keyboard.press('Tab');
    expect(await active()).toBe('Continue');
    await page.keyboard.press('Enter');
    await asked(page);
    expect(await active()).toBe('code');
    await page.keyboard.type(wrong());
    await page.keyboard.press('Enter');
    await alertOf(page).getByText('The code is wrong.').waitFor();
    expect(await active()).toBe('code');
    // The wrong code is selected: what is typed takes its place.
    await page.keyboard.type(wrong());
    expect(await field(page).inputValue()).toBe(wrong());
    await page.keyboard.press('Tab');
    expect(await active()).toBe('Confirm');
    await page.keyboard.press('Tab');
    expect(await active()).toMatch(/^Send the code again/);
    await page.keyboard.press('Enter');
    await page.getByRole('status').getByText('Please wait').waitFor();
    expect(await active()).toMatch(/^Send the code again/);
    await page.keyboard.press('Shift+Tab');
    await page.keyboard.press('Shift+Tab');
    await page.keyboard.type(code());
    await page.keyboard.press('Enter');
    await phase(page, 'confirmed');
    expect(await active()).toBe('Confirmed.');
  });

  it('leaves the focus where it is when it begins by itself', async () => {
    const page = await open({ beside: '<input id="amount" aria-label="Amount" autofocus>' });
    await asked(page);

    expect(await page.evaluate('document.activeElement.id')).toBe('amount');
  });

  it('is a short tree for a screen reader', async () => {
    const page = await open();
    await asked(page);

    expect(await page.locator('two-factor-code').ariaSnapshot()).toBe(
      [
        '- status',
        '- paragraph: We sent a code to \u2068u***@e***.com\u2069.',
        '- alert',
        '- text: Code',
        '- textbox "Code"',
        '- paragraph:',
        '  - text: "Attempts left: \u20685\u2069"',
        '  - timer: "Time left: \u206810:00\u2069"',
        '- button "Confirm"',
        '- button "Send the code again" [disabled]',
      ].join('\n'),
    );
  });

  it('runs from right to left, with the code from left to right, in the words of the page', async () => {
    const page = await open({
      html: 'lang="ar" dir="rtl"',
      script: `TwoFactorCode.texts = {
        code: 'الرمز', confirm: 'تأكيد', sent: 'أرسلنا رمزًا إلى {recipient}.', attempts: 'المحاولات المتبقية: {attempts}',
        valid: 'صالح لمدة {time}', resendIn: 'إعادة إرسال الرمز خلال {time}', resend: 'إعادة إرسال الرمز',
        problems: { 'code-mismatch': 'الرمز خاطئ. المحاولات المتبقية: {attempts}.' },
      };`,
    });
    await asked(page);
    await page.getByLabel('الرمز').waitFor();
    await enterArabic(page);
    // axe waits by timers.
    await page.clock.resume();

    await alertOf(page).getByText('الرمز خاطئ').waitFor();
    const { direction, textAlign } = await page.evaluate<
      Record<'direction' | 'textAlign', string>
    >(`(() => {
      const { direction, textAlign } = getComputedStyle(element.shadowRoot.querySelector('input'));
      return { direction, textAlign };
    })()`);
    expect({ direction, textAlign }).toEqual({ direction: 'ltr', textAlign: 'right' });
    const [label, input] = await Promise.all([
      page.getByText('الرمز', { exact: true }).boundingBox(),
      field(page).boundingBox(),
    ]);
    expect(label!.x + label!.width).toBeCloseTo(input!.x + input!.width, 0);
    expect(await flawsOf(page)).toEqual([]);
    await shoot(page, 'rtl');
  });

  async function enterArabic(page: Page): Promise<void> {
    await field(page).fill(wrong());
    await page.getByRole('button', { name: 'تأكيد' }).click();
  }
});
