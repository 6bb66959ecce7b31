import type { ExecutionContext } from '@nestjs/common';
import { IsString, MaxLength } from 'class-validator';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { header } from '../e2e/controller-fixtures.js';
import { WRONG_CODE } from '../support/canaries.js';
import { startHttpApp, type HttpTestApp } from '../support/http.js';
import { complaintsOf, load, pageOf, readPage, writePage } from '../support/snippets.js';

const page = await readPage('docs/guides/front-end.md');

class TransferDetails {
  @IsString()
  @MaxLength(70)
  amount!: string;

  @IsString()
  @MaxLength(70)
  payee!: string;
}

/** Declared here, because this program has no types of the browser. */
interface Client {
  requestConfirmation(body: object): Promise<object>;
}

type Counted = (count: number) => string;

interface Transfers {
  ask(details: { amount: string; payee: string }): Promise<string>;
  confirm(id: string, code: string): Promise<string>;
}

const bearerOf = (context: ExecutionContext): string | undefined =>
  /^Bearer (.+)$/.exec(header(context, 'authorization') ?? '')?.[1];

let test: HttpTestApp;

beforeAll(async () => {
  await writePage(page);
  test = await startHttpApp({
    options: {
      controller: true,
      purposes: {
        transfer: {
          subject: () => 'ann',
          recipient: () => 'ann@example.com',
          details: TransferDetails,
        },
        login: { subject: bearerOf, recipient: () => 'ann@example.com' },
      },
    },
  });
});
afterAll(() => test?.close());

describe('Front end', () => {
  it('confirms a transfer, and words what was refused', async () => {
    const { transfers } = await load<{ transfers: (settings: object) => Transfers }>(
      page,
      'transfer.ts',
    );
    const url = `${(await test.app.getUrl()).replace('[::1]', '127.0.0.1')}/2factor`;
    const bank = transfers({ url });
    const id = await bank.ask({ amount: '10.00', payee: 'Bob' });

    expect(await bank.confirm(id, WRONG_CODE)).toBe('The code is wrong. Attempts left: 4.');
    expect(await bank.confirm(id, test.inbox.lastCode)).toBe('');
    expect(await bank.confirm(id, test.inbox.lastCode)).toBe('');
    expect(await bank.confirm('0', '123456')).toBe('This does not work right now.');
  });

  it('sends the current bearer token with each call, and is refused without one', async () => {
    const { clientWithToken } = await load<{
      clientWithToken: (token: () => string, url: string) => Client;
    }>(page, 'bearer.ts');
    let token = '';
    const url = `${(await test.app.getUrl()).replace('[::1]', '127.0.0.1')}/2factor`;
    const client = clientWithToken(() => token, url);

    const refused = await client.requestConfirmation({ purpose: 'login' });
    token = 'ann';
    const accepted = await client.requestConfirmation({ purpose: 'login' });

    expect(refused).toMatchObject({ ok: false, problem: { error: 'no-subject' } });
    expect(accepted).toMatchObject({ ok: true, value: { maskedToken: 'a***@e***.com' } });
  });

  it('has texts in another language, and can be imported on a server', async () => {
    // By a name that the compiler does not follow: this program has no types of the browser.
    const element: string = '../../lib/client/element/index.ts';
    const { TwoFactorCode } = (await import(
      /* @vite-ignore */ new URL(element, import.meta.url).href
    )) as {
      TwoFactorCode: { texts: Record<'start' | 'resend', string> & { attempts: Counted } };
    };

    await load(page, 'german.ts');
    const german = TwoFactorCode.texts;
    expect([german.start, german.resend]).toEqual(['Weiter zur Zahlung', 'Code erneut senden']);
    expect(german.attempts(1)).toBe('Noch {attempts} Versuch');

    await load(page, 'italian.ts');
    const { start, attempts } = TwoFactorCode.texts;
    expect([start, attempts(1)]).toEqual(['Continua', 'Resta {attempts} tentativo']);
    expect(attempts(3)).toBe('Restano {attempts} tentativi');
  });

  it('compiles with React and with Angular', () => {
    expect([...page.files.keys()]).toEqual([
      'german.ts',
      'italian.ts',
      'transfer.ts',
      'bearer.ts',
      'confirm-transfer.tsx',
      'confirm-transfer.component.ts',
    ]);
    expect(complaintsOf([page])).toEqual([]);
  });

  it('is found not to compile when a detail is a number', async () => {
    const text = page.text.replace(
      'amount: string; readonly payee',
      'amount: number; readonly payee',
    );
    const twin = pageOf(
      'docs/twin-of-front-end.md',
      text.replace('details={details}', 'details={details.amount}'),
    );
    await writePage(twin);

    expect(complaintsOf([twin]).join()).toMatch(/confirm-transfer\.tsx: Type 'number'/);
  });
});
