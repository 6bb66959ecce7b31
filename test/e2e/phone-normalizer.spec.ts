// security.md 24: spelling a number in another way is no way around its budget.
import { afterEach, describe, expect, it } from 'vitest';

import { phoneNormalizer } from '../../lib/adapters/phone/index.js';
import { LimitService, type LimitsOptions } from '../../lib/index.js';
import { refusal } from '../support/refusal.js';
import { startApp, type TestApp } from '../support/test-app.js';

const SPELLINGS = [
  '+1 (415) 555-0123',
  '0014155550123',
  '+1415555０123',
  '+1 415 555 0123 ext. 5',
  '(415) 555-0123',
  '415-555-0123',
  '1 415 555 0123 x5',
  '4155550123',
  'tel:+1-415-555-0123',
  '４１５ ５５５ ０１２３',
];
const SPENT = [429, 'sends-per-token', expect.any(Number)];

describe('The spellings of a phone number', () => {
  let test: TestApp;
  afterEach(() => test.close());

  const start = async (limits: LimitsOptions): Promise<void> => {
    test = await startApp({ options: { limits } });
  };
  const send = async (token: string): Promise<unknown> =>
    refusal(test.sender.send(null, token, await test.confirmer.makeConfirmation()));

  it('share five messages in ten minutes', async () => {
    await start({ normalizeToken: phoneNormalizer({ defaultCountry: 'US' }) });

    const answers: unknown[] = [];
    for (const spelling of SPELLINGS) answers.push(await send(spelling));

    expect(answers.slice(0, 5)).toEqual(Array.from({ length: 5 }, () => 'accepted'));
    expect(answers.slice(5)).toEqual(Array.from({ length: 5 }, () => SPENT));
    // The sender receives the spelling of the caller, its digits in ASCII.
    const delivered = SPELLINGS.slice(0, 5).map((each) => each.replace('０', '0'));
    expect(test.inbox.deliveries.map(({ token }) => token)).toEqual(delivered);
    expect(await send('+1 415 555 0124')).toBe('accepted');
    expect(await send('ann@example.com')).toBe('accepted');
  });

  it('share their wrong codes', async () => {
    await start({ pending: false, normalizeToken: phoneNormalizer({ defaultCountry: 'US' }) });
    for (const token of SPELLINGS) {
      const { id } = await test.confirmer.makeConfirmation({ token });
      expect((await test.confirmer.confirm(id, 'WRONGWRONG'))[1]).toBe(false);
    }

    const limits = test.app.get(LimitService, { strict: false });
    for (const token of SPELLINGS) {
      expect(await limits.failures({ token })).toMatchObject({ count: 10 });
      expect(await refusal(test.confirmer.makeConfirmation({ token }))).toEqual([
        429,
        'failures',
        300,
      ]);
    }
  });

  it('are not normalized when no country is configured', async () => {
    await start({});

    const answers: unknown[] = [];
    for (const spelling of SPELLINGS) answers.push(await send(spelling));

    expect(new Set(answers)).toEqual(new Set(['accepted']));
  });
});
