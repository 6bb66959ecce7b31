import type { Type } from '@nestjs/common';
import { afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';

import { TwoFactorRecipientError, TwoFactorService } from '../../lib/index.js';
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
  it('each sender delivers in its own way', async () => {
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
    await request('sms-uk', { context: { locale: 'uk' } });
    await request('crier');
    await request('pager');

    expect(sent).toEqual([
      { to: '+15555550123', text: expect.stringMatching(/^\d{6} is your ACME code\./) as string },
      { to: '+15555550123', text: expect.stringMatching(/^\d{6}: ваш код АСМЕ\./) as string },
    ]);
    expect(shouted).toEqual([
      expect.stringMatching(/^Crier: \d{6}!!!$/),
      expect.stringMatching(/^beep \d{6}$/),
    ]);
  });

  it('a token that can never be reached is told from a failure', async () => {
    const asked = guide.app.get(TwoFactorService).request({ token: 'no number' });
    await expect(asked).rejects.toBeInstanceOf(TwoFactorRecipientError);
  });
});
