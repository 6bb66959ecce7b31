// A thief who saw one code of the app may have made recovery codes with it. Neither a new password nor a new app ends them.
import { FactorService } from 'nestjs-two-factor';
import { describe, expect, it } from 'vitest';

import { User } from '../../sample-app/src/accounts/user.entity.js';
import { TestAuthenticator } from '../support/authenticator.js';
import { useBankPage } from '../support/bank-page.js';
import { CHROMIUM, hasChromium } from '../support/chromium.js';

const SECRET = 'GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ';

describe.each(hasChromium ? [CHROMIUM] : [])('The page in %s', (executablePath) => {
  const bankPage = useBankPage(executablePath);
  const { heading, open, press, status } = bankPage;

  it('tells the customer that recovery codes stay valid when an app takes the place of another one', async () => {
    await open('replaced');
    const { bank, customer, page } = bankPage;
    const { id: subject } = await bank.dataSource
      .getRepository(User)
      .findOneByOrFail({ email: customer.email });
    const factors = bank.app.get(FactorService, { strict: false });
    await factors.import({ subject, method: 'totp', secret: SECRET });
    await factors.regenerateRecoveryCodes({ subject });
    await press('Open security');
    await page.getByText(/^Codes left: 10, made on .* If you did not make them/).waitFor();

    await page.getByLabel('Name of the app').fill('New phone');
    await press('Add app');
    const code = new TestAuthenticator(SECRET, Date).code();
    await page.getByLabel('Code from your authenticator app').fill(code);
    await press('Confirm');
    await heading('Scan this with your app');
    const shown = (await page.locator('#app-secret').textContent())!.replaceAll(' ', '');
    await page
      .getByLabel('Code that the app shows')
      .fill(new TestAuthenticator(shown, Date).code());
    await press('Add app');

    await status(
      'Your authenticator app is added. Recovery codes stay valid: if you did not make them, make new ones under Security.',
    );
    expect(await factors.list({ subject })).toMatchObject([
      { method: 'totp', label: 'New phone' },
      { method: 'recovery', left: 10 },
    ]);
  });
});
