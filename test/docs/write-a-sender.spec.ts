import type { Type } from '@nestjs/common';
import { afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';

import {
  TwoFactorRecipientError,
  TwoFactorService,
  TwoFactorTooManyRequestsError,
} from '../../lib/index.js';
import { startGuide, type Guide } from '../support/guide.js';
import { load, readPage, writePage } from '../support/snippets.js';

const page = await readPage('docs/guides/write-a-sender.md');
let guide: Guide;

beforeAll(() => writePage(page));
beforeEach(async () => {
  guide = await startGuide(page);
});
afterEach(() => guide.close());

describe('Write a sender', () => {
  it('delivers by each sender in its own way', async () => {
    const { SmsGateway } = await load<{
      SmsGateway: Type<{ sent: { to: string; text: string }[] }>;
    }>(page, 'sms.backend.ts');
    const { shouted } = await load<{ shouted: string[] }>(page, 'app.module.ts');
    shouted.length = 0;
    const { sent } = guide.app.get(SmsGateway);
    const request = (way: string, more: object = {}) =>
      guide.app
        .get(TwoFactorService)
        .request({ token: '+15555550123', way, purpose: way, ...more });

    await request('sms');
    await request('sms-uk', { context: { language: 'uk' } });
    await request('crier');
    await request('pager');

    expect(sent).toEqual([
      {
        to: '+15555550123',
        text: expect.stringMatching(
          /^\d{6} is your ACME code\. It is valid for 10 minutes\. Do not share it\.$/,
        ) as string,
      },
      {
        to: '+15555550123',
        text: expect.stringMatching(/^АСМЕ: \d{6} — ваш код\. Строк дії: 10 хвилин\./) as string,
      },
    ]);
    expect(shouted).toEqual([
      expect.stringMatching(/^Crier: \d{6}!!!$/),
      expect.stringMatching(/^beep \d{6}$/),
    ]);
  });

  it('throws a TwoFactorRecipientError for a phone number that can never be reached', async () => {
    const asked = guide.app.get(TwoFactorService).request({ token: 'no number' });
    await expect(asked).rejects.toBeInstanceOf(TwoFactorRecipientError);
  });

  it('sends to the one spelling of a number that was written with blanks', async () => {
    const { SmsGateway } = await load<{ SmsGateway: Type<{ sent: { to: string }[] }> }>(
      page,
      'sms.backend.ts',
    );
    await guide.app.get(TwoFactorService).request({ token: '+1 (555) 555-0123' });
    expect(guide.app.get(SmsGateway).sent.map(({ to }) => to)).toEqual(['+15555550123']);
  });

  it('is charged for a refusal as for a message', async () => {
    const twoFactor = guide.app.get(TwoFactorService);
    const ask = () => twoFactor.request({ token: 'no number' });
    for (let n = 0; n < 5; n += 1)
      await expect(ask()).rejects.toBeInstanceOf(TwoFactorRecipientError);
    await expect(ask()).rejects.toBeInstanceOf(TwoFactorTooManyRequestsError);
  });

  it('sms.backend.spec.ts holds the backend to its contract', async () => {
    const tests: (() => Promise<void>)[] = [];
    // The page imports node:test, whose tests would run outside of this one.
    vi.doMock('node:test', () => ({
      describe: (_: string, body: () => void) => body(),
      it: (_: string, body: () => Promise<void>) => tests.push(body),
    }));
    await load(page, 'sms.backend.spec.ts');
    vi.doUnmock('node:test');

    expect(tests).toHaveLength(8);
    for (const test of tests) await test();
  });
});
