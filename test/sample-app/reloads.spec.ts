// What a reload at the code does to what the customer is doing.
import { describe, expect, it } from 'vitest';

import { useBankPage } from '../support/bank-page.js';
import { CHROMIUM, hasChromium } from '../support/chromium.js';
import { PASSWORD } from '../support/customer.js';

describe.each(hasChromium ? [CHROMIUM] : [])('A reload at the code in %s', (executablePath) => {
  const bankPage = useBankPage(executablePath);
  const { askToPay, enter, heading, open, press, status } = bankPage;

  async function reload(): Promise<void> {
    await bankPage.page.getByLabel('Code', { exact: true }).waitFor();
    await bankPage.page.reload();
    await bankPage.page.getByLabel('Code', { exact: true }).waitFor();
  }

  async function addApp(): Promise<void> {
    await press('Open security');
    await heading('Security');
    await bankPage.page.getByLabel('Name of the app').fill('My phone');
    await press('Add app');
    await reload();
  }

  it('adds an authenticator app all the same', async () => {
    await open('app');
    await addApp();
    await enter();
    await heading('Scan this with your app');
    const uri = (await bankPage.page.locator('#app-link').getAttribute('href'))!;
    expect(decodeURIComponent(uri)).toContain(`Sample Bank:${bankPage.customer.email}`);
  });

  it('leads back to the whole page of the security when the customer cancels', async () => {
    await open('cancelled-app');
    await addApp();
    await press('Cancel');
    await status('Cancelled.');
    await bankPage.page.locator('#no-factors').waitFor();
    await bankPage.page.locator('#no-devices').waitFor();
    expect(await bankPage.page.locator('#recovery-area').isHidden()).toBe(true);
  });

  it('keeps the new phone number at the first code of two', async () => {
    await open('number');
    await bankPage.page.getByLabel('New number').fill('+4915112348888');
    await bankPage.page.locator('#phone-password').fill(PASSWORD);
    await press('Change number');
    await bankPage.page.getByText('First code of two').waitFor();
    await reload();
    await press('Cancel');
    expect(await bankPage.page.getByLabel('New number').inputValue()).toBe('+4915112348888');
  });

  it('costs none of the ten codes of a session', async () => {
    await open('often');
    await askToPay();
    for (let times = 0; times < 12; times += 1) await reload();
    await enter();
    await status('Paid 10.50 EUR to bob@bank.example.');
    expect(await bankPage.customer.transfers()).toHaveLength(1);
  });

  it('shows why no further code is sent to a session that has asked for ten', async () => {
    await open('ten');
    await bankPage.bank.dataSource.query('UPDATE bank_session SET codes = 9');
    // The button for another code need not be waited for.
    await bankPage.page.route('**/request-confirmation', async (call) => {
      const answer = await call.fetch();
      const body = (await answer.json()) as object;
      await call.fulfill({ response: answer, json: { ...body, resendIn: 0 } });
    });
    await askToPay();
    await reload();
    await bankPage.page.getByRole('button', { name: 'Send the code again' }).click();
    await status('Since you signed in, 10 codes were asked for. Sign in again for more.');
    await enter();
    await status('Paid 10.50 EUR to bob@bank.example.');
    expect(await bankPage.customer.transfers()).toHaveLength(1);
  });
});
