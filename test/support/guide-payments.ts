// How a person of the bank of the guides pays when an answer is lost.
import type { Route } from 'playwright-core';
import { expect, it } from 'vitest';

import { loseAnswer, type GuideVisitors } from './guide-visitors.js';

export function testLostPayments(visitors: GuideVisitors): void {
  it('pays once when the answer to a payment is lost, and the person presses again or reloads', async () => {
    const phone = '+14155550136';
    const hugo = await visitors.withPhone('hugo', phone);
    const badGateway = (call: Route): Promise<void> =>
      call.fulfill({ status: 502, contentType: 'text/html', body: '<h1>Bad gateway</h1>' });
    for (const [amount, again, answer] of [
      ['10.00', () => hugo.press('Pay'), undefined],
      ['11.00', () => hugo.reload(), undefined],
      ['12.00', () => hugo.press('Pay'), badGateway],
    ] as const) {
      await loseAnswer(hugo, { method: 'POST', path: '/payments' }, answer);
      await hugo.enterPayment(amount, 'Bob');
      await hugo.confirmByMessage(phone);
      await hugo.reads('There is no connection. Please try again.');
      const sent = visitors.bank.messagesTo(phone);
      await again();
      await hugo.reads(`You have paid ${amount} USD.`);
      expect(await hugo.page.locator('li', { hasText: `${amount} USD to Bob` }).count()).toBe(1);
      expect(visitors.bank.messagesTo(phone)).toBe(sent);
      await hugo.page.unrouteAll();
    }
    const { body } = await hugo.call('GET', '/payments');
    expect(body).toHaveLength(3);
  });

  it('pays by the code that was typed when the call never arrived, and speaks of one that may still run', async () => {
    const phone = '+14155550137';
    const ines = await visitors.withPhone('ines', phone);
    const used = {
      status: 409,
      contentType: 'application/problem+json',
      body: JSON.stringify({
        type: 'urn:nestjs-two-factor:confirmation-used',
        error: 'confirmation-used',
      }),
    };
    let calls = 0;
    await ines.page.route('**/payments', (call) => {
      if (call.request().method() !== 'POST') return call.continue();
      calls += 1;
      if (calls === 1) return call.abort();
      return calls === 2 ? call.fulfill(used) : call.continue();
    });
    await ines.enterPayment('10.00', 'Bob');
    await ines.confirmByMessage(phone);
    await ines.reads('There is no connection. Please try again.');
    const sent = visitors.bank.messagesTo(phone);
    // Another payment would overwrite the proof of this one, which may be paid.
    await ines.page.getByLabel('Amount').fill('20.00');
    await ines.press('Pay');
    await ines.reads(
      '10.00 USD to Bob may not be finished. Pay that again, or wait for ten minutes.',
    );
    await ines.page.getByLabel('Amount').fill('10.00');
    await ines.press('Pay');
    await ines.reads('This may not be finished. Please look again in a minute.');
    await ines.reload();
    await ines.reads('You have paid 10.00 USD.');
    expect(visitors.bank.messagesTo(phone)).toBe(sent);
    const { body } = await ines.call('GET', '/payments');
    expect(body).toHaveLength(1);
  });
}
