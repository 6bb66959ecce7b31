// What the page of the sample application does when an answer is lost.
import { randomUUID } from 'node:crypto';

import type { Route } from 'playwright-core';
import { describe, expect, it } from 'vitest';

import { User } from '../../sample-app/src/accounts/user.entity.js';
import { Transfer } from '../../sample-app/src/transfers/transfer.entity.js';
import { TRANSFERS, useBankPage } from '../support/bank-page.js';
import { CHROMIUM, hasChromium } from '../support/chromium.js';

const USED = 'This was done before. Look at your transfers.';
const NAMED = 'Your transfer of 10.50 EUR to bob@bank.example';
const ONCE = { stored: 1, listed: 1, balance: '989.50 EUR', typed: '' };
const AWAY = 'The server does not answer. Please reload.';

describe.each(hasChromium ? [CHROMIUM] : [])('The page in %s', (executablePath) => {
  const bankPage = useBankPage(executablePath);
  const {
    askToPay,
    codesSent,
    enter,
    heading,
    losesAnswer,
    onPost,
    open,
    pay,
    press,
    status,
    timesPaid,
  } = bankPage;

  const contentType = 'application/problem+json';
  const problemOf = (code: number, error: string): Parameters<Route['fulfill']>[0] => ({
    status: code,
    contentType,
    body: JSON.stringify({ type: `urn:nestjs-two-factor:${error}`, status: code, error }),
  });

  /** What the bank has stored of the customer's transfers, and what the page shows of them. */
  const paid = async (): Promise<object> => ({
    stored: (await bankPage.customer.transfers()).length,
    listed: await bankPage.page.locator('#transfers li').count(),
    balance: await bankPage.page.locator('#balance').innerText(),
    typed: await bankPage.page.getByLabel('Amount in EUR').inputValue(),
  });

  it.each([
    [
      'the connection breaks',
      (call) => call.abort(),
      'The server does not answer. Please try again.',
    ],
    [
      'a proxy answers 502',
      (call) =>
        call.fulfill({ status: 502, contentType: 'text/html', body: '<h1>Bad gateway</h1>' }),
      'The server does not answer. Please try again.',
    ],
    [
      'the answer breaks off',
      (call) => call.fulfill({ status: 200, contentType: 'application/json', body: '{"do' }),
      'The server does not answer. Please try again.',
    ],
    [
      'the server answers 503',
      (call) => call.fulfill(problemOf(503, 'temporarily-unavailable')),
      'This does not work right now. Please try again in a moment.',
    ],
  ] as readonly (readonly [string, (call: Route) => Promise<void>, string])[])(
    'pays once when %s after the payment and the customer presses again',
    async (why, answer, words) => {
      await open(`lost-${why.replaceAll(' ', '-')}`);
      await losesAnswer(answer);
      await pay();
      await status(words);
      const sent = await codesSent();
      // Another way of the code is no other payment.
      await bankPage.page.locator('#transfer-form').getByLabel('E-mail', { exact: true }).check();
      await press('Transfer');
      await status(USED);
      expect(await paid()).toEqual(ONCE);
      expect(await codesSent()).toBe(sent);
      // The next payment is another one, also of the same amount to the same payee.
      await pay();
      await status('Paid 10.50 EUR to bob@bank.example.');
      expect(await bankPage.customer.transfers()).toHaveLength(2);
    },
  );

  it('pays once when the answer is lost and the page is reloaded', async () => {
    await open('reloaded');
    await losesAnswer((call) => call.abort());
    await pay();
    await status('The server does not answer. Please try again.');
    await bankPage.page.reload();
    await status(USED);
    expect(await paid()).toEqual(ONCE);
  });

  it('pays by the same code when the call has never reached the server, over a reload that finds no server', async () => {
    await open('never-reached');
    await bankPage.page.route(TRANSFERS, (call) => call.abort());
    await pay();
    await status('The server does not answer. Please try again.');
    const sent = await codesSent();
    await bankPage.page.reload();
    await heading('The bank cannot be reached');
    await bankPage.page.unroute(TRANSFERS);
    await press('Reload');
    await status('Paid 10.50 EUR to bob@bank.example.');
    expect(await paid()).toEqual(ONCE);
    expect(await codesSent()).toBe(sent);
  });

  it('says that it has paid when the account cannot be read afterwards', async () => {
    await open('unread');
    await bankPage.page.route('**/api/v1/sessions', (call) => call.abort());
    await pay();
    await status(`Paid 10.50 EUR to bob@bank.example. ${AWAY}`);
    await heading('The bank cannot be reached');
    await bankPage.page.unroute('**/api/v1/sessions');
    await press('Reload');
    await heading('Your account');
    expect(await paid()).toEqual(ONCE);
  });

  /** Makes the code of the task so old that no call can still hold it. */
  const letCallsEnd = (): Promise<void> =>
    bankPage.page.evaluate(`{
      const task = JSON.parse(sessionStorage.getItem('bank-task'));
      sessionStorage.setItem('bank-task', JSON.stringify({ ...task, provenAt: Date.now() - 601_000 }));
    }`);

  /** Lets the customer receive so much that no older transfer is listed any more. */
  async function receiveAPage(): Promise<void> {
    const { manager } = bankPage.bank.dataSource;
    const { id: payeeId } = await manager.findOneByOrFail(User, { email: bankPage.customer.email });
    const { id: payerId } = await manager.findOneByOrFail(User, { email: 'bob@bank.example' });
    const createdAt = Date.now() + 60_000;
    for (let count = 0; count < 20; count += 1) {
      const id = randomUUID();
      const received = { id, confirmationId: id, payerId, payeeId, amountCents: 1, createdAt };
      await manager.insert(Transfer, received);
    }
    const listed = (await bankPage.customer.transfers()) as { direction: string }[];
    expect(new Set(listed.map(({ direction }) => direction))).toEqual(new Set(['in']));
  }

  it('finds a payment that twenty newer transfers have displaced from the list', async () => {
    await open('displaced');
    await losesAnswer((call) => call.abort());
    await pay();
    await status('The server does not answer. Please try again.');
    await receiveAPage();
    await letCallsEnd();
    const sent = await codesSent();
    await press('Transfer');
    await status(USED);
    expect(await timesPaid()).toBe(1);
    expect(await codesSent()).toBe(sent);
  });

  it('says that a payment is done before it begins another one', async () => {
    await open('another');
    await losesAnswer((call) => call.abort());
    await pay();
    await status('The server does not answer. Please try again.');
    const sent = await codesSent();
    await askToPay(undefined, '20,00');
    await status(`${NAMED} is done. Start again if you want something else as well.`);
    expect(await paid()).toEqual(ONCE);
    expect(await codesSent()).toBe(sent);
    await askToPay(undefined, '20,00');
    await enter();
    await status('Paid 20.00 EUR to bob@bank.example.');
    expect(await timesPaid()).toBe(2);
  });

  it('begins no other payment while it is unknown whether one is done', async () => {
    await open('unknown');
    await bankPage.page.route(TRANSFERS, (call) =>
      call.request().method() === 'POST' ? call.abort() : call.continue(),
    );
    await pay();
    await status('The server does not answer. Please try again.');
    const sent = await codesSent();
    await askToPay(undefined, '20,00');
    await status(`${NAMED} may not be finished. Send it again, or wait for ten minutes.`);
    expect(await codesSent()).toBe(sent);
    await bankPage.page.unroute(TRANSFERS);
    await askToPay();
    await status('Paid 10.50 EUR to bob@bank.example.');
    expect(await paid()).toEqual(ONCE);
    expect(await codesSent()).toBe(sent);

    await onPost((call) => call.abort());
    await pay();
    await status('The server does not answer. Please try again.');
    await letCallsEnd();
    await askToPay(undefined, '20,00');
    await enter();
    await status('Paid 20.00 EUR to bob@bank.example.');
    expect(await timesPaid()).toBe(2);
  });

  it('keeps the code while a call that holds it may still pay, and asks for another one when none can', async () => {
    await open('held');
    await onPost((call) => call.fulfill(problemOf(409, 'confirmation-used')));
    await pay();
    await status('This may not be finished. Please look again in a minute.');
    const sent = await codesSent();
    await bankPage.page.unroute(TRANSFERS);
    await press('Transfer');
    await status('Paid 10.50 EUR to bob@bank.example.');
    expect(await paid()).toEqual(ONCE);
    expect(await codesSent()).toBe(sent);

    await onPost((call) => call.fulfill(problemOf(409, 'confirmation-used')));
    await pay();
    await status('This may not be finished. Please look again in a minute.');
    await letCallsEnd();
    await bankPage.page.unroute(TRANSFERS);
    await onPost((call) => call.fulfill(problemOf(409, 'confirmation-used')));
    await press('Transfer');
    await status('This was not done. Please start again.');
    await press('Transfer');
    await bankPage.page.getByLabel('Code', { exact: true }).waitFor();
    expect(await bankPage.customer.transfers()).toHaveLength(1);
  });

  it('asks for another code after a refusal, which has paid nothing', async () => {
    await open('refused');
    await pay('stranger@bank.example');
    await status('There is no such payee.');
    await press('Transfer');
    await bankPage.page.getByLabel('Code', { exact: true }).waitFor();
    expect(await bankPage.customer.transfers()).toEqual([]);
  });

  it('cancels no payment that is confirmed', async () => {
    await open('cancelled');
    let release!: () => void;
    const isReleased = new Promise<void>((resolve) => {
      release = resolve;
    });
    await onPost(async (call) => {
      await isReleased;
      await call.continue();
    });
    await pay();
    await bankPage.page.getByText('Confirmed.').waitFor();
    await press('Cancel');
    await status('This is confirmed already. Please wait.');
    release();
    await status('Paid 10.50 EUR to bob@bank.example.');
    expect(await paid()).toEqual(ONCE);
  });

  it.each(['me', 'offer', 'sessions', 'transfers'])(
    'keeps a confirmed transfer when GET /%s fails at the start',
    async (route) => {
      await open(`start-${route}`);
      await onPost((call) => call.abort());
      await pay();
      await status('The server does not answer. Please try again.');
      await bankPage.page.unroute(TRANSFERS);
      const path = `**/api/v1/${route}`;
      await bankPage.page.route(path, (call) =>
        call.fulfill({ status: 503, contentType: 'text/plain', body: 'no' }),
      );
      await bankPage.page.reload();
      await status(AWAY);
      await heading('The bank cannot be reached');
      await bankPage.page.unroute(path);
      await press('Reload');
      await status('Paid 10.50 EUR to bob@bank.example.');
      expect(await paid()).toEqual(ONCE);
    },
  );
});
