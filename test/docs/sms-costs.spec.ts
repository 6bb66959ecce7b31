// The guide's application must refuse what its rules leave out, and raise its alarm for a prefix that hardly anyone confirms.
import type { Type } from '@nestjs/common';
import { afterEach, beforeAll, describe, expect, it } from 'vitest';

import { PrefixWatch } from '../../lib/confirmation/index.js';
import { LimitService, TwoFactorService, type TollFraudSuspectedEvent } from '../../lib/index.js';
import { startGuide, type Guide } from '../support/guide.js';
import { nextNumber, PREFIX } from '../support/phone-app.js';
import { load, readPage, writePage } from '../support/snippets.js';

const page = await readPage('docs/guides/sms-costs.md');
let guide: Guide;

const request = async (token: string): Promise<number> =>
  (await guide.post('/2factor/request-confirmation', { token })).status;

describe('Keep SMS costs under control', () => {
  beforeAll(() => writePage(page));
  afterEach(() => guide.close());

  it('sends to the countries of the rules alone', async () => {
    guide = await startGuide(page);

    expect(await request('+380501234567')).toBe(200);
    expect(await request('+44 7400 123456')).toBe(422);
    expect(await request('+979123456789')).toBe(422);
    expect(await request('0501234567')).toBe(422);
  });

  it('raises an alarm for a prefix that hardly anyone confirms, and refuses nothing', async () => {
    guide = await startGuide(page);
    const { CostAlarm } = await load<{ CostAlarm: Type<{ raised: TollFraudSuspectedEvent[] }> }>(
      page,
      'cost-alarm.ts',
    );
    const twoFactor = guide.app.get(TwoFactorService);
    for (let person = 0; person < 60; person += 1) {
      await twoFactor.request({ token: nextNumber(PREFIX), requester: `person-${person}` });
    }
    await guide.app.get(PrefixWatch, { strict: false }).round();

    const { raised } = guide.app.get(CostAlarm);
    const counts = { messages: 60, confirmed: 0, isRefused: false };
    expect(raised).toMatchObject([
      { prefix: PREFIX, country: 'UA', ...counts },
      { prefix: null, country: 'UA', ...counts },
    ]);
  });

  it('forgets what was counted for a prefix', async () => {
    guide = await startGuide(page);
    const { OpenPrefix } = await load<{
      OpenPrefix: Type<{ open(prefix: string): Promise<number> }>;
    }>(page, 'open-prefix.ts');
    await guide.app
      .get(TwoFactorService)
      .request({ token: nextNumber(PREFIX), requester: 'a person' });
    const opener = new OpenPrefix(guide.app.get(LimitService));

    expect(await opener.open(PREFIX)).toBe(1);
    expect(await opener.open(PREFIX)).toBe(0);
  });
});
