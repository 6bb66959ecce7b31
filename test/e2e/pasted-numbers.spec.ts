import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { adapters, startHttpApp, type Answer, type HttpTestApp } from '../support/http.js';

const DETAIL = expect.stringContaining('A token is a text of 1 to 320 characters') as string;

/** What people paste, and what the sender receives. */
const PASTED: readonly (readonly [what: string, pasted: string, delivered: string])[] = [
  ['a tab before and behind', '\t+49 151 23456789\t', '+49 151 23456789'],
  ['a line break behind', '+49 151 23456789\r\n', '+49 151 23456789'],
  ['a line break within', '+49 151\n23456789', '+49 151 23456789'],
  ['blanks around it', '  +49 151 23456789 ', '+49 151 23456789'],
  ['no-break spaces', '+49\u00a0151\u00a023456789', '+49 151 23456789'],
  ['narrow no-break spaces', '+49\u202f151\u202f23456789', '+49 151 23456789'],
  ['thin and figure spaces', '+49\u2009151\u200723456789', '+49 151 23456789'],
  ['ideographic spaces', '+49\u3000151\u300023456789', '+49 151 23456789'],
  ['zero-width spaces', '\u200b+49 151\u200b 23456789\u200b', '+49 151 23456789'],
  ['a byte order mark', '\ufeff+49 151 23456789', '+49 151 23456789'],
  ['a word joiner', '+49\u2060151\u206023456789', '+4915123456789'],
  ['soft hyphens', '+49151\u00ad23456789', '+4915123456789'],
  ['en dashes', '+49\u2013151\u201323456789', '+49-151-23456789'],
  ['no-break hyphens', '+49\u2011151\u201123456789', '+49-151-23456789'],
  ['minus signs', '+49\u2212151\u221223456789', '+49-151-23456789'],
  [
    'an embedding from left to right, as iOS adds',
    '\u202a+49 151 23456789\u202c',
    '+49 151 23456789',
  ],
  ['isolates', '\u2068+49 151 23456789\u2069', '+49 151 23456789'],
  ['direction marks', '\u200e+49 151 23456789\u200f', '+49 151 23456789'],
  ['an Arabic letter mark', '\u061c+49 151 23456789', '+49 151 23456789'],
  ['full-width digits', '＋４９　１５１　２３４５６７８９', '+49 151 23456789'],
  ['Arabic-Indic digits', '+٤٩ ١٥١ ٢٣٤٥٦٧٨٩', '+49 151 23456789'],
  ['Persian digits', '+۴۹ ۱۵۱ ۲۳۴۵۶۷۸۹', '+49 151 23456789'],
  ['Devanagari digits', '+४९ १५१ २३४५६७८९', '+49 151 23456789'],
  ['a link', 'tel:+49\u2011151\u201123456789', 'tel:+49-151-23456789'],
  ['brackets and a slash', '+49 (0)151 / 23456789\n', '+49 (0)151 / 23456789'],
];

/** What no phone number is, and what could forge a header or a line of a message. */
const REFUSED: readonly (readonly [what: string, token: string])[] = [
  ['an address with a line break', 'ann@example.com\r\nBcc: eve@example.com'],
  ['an address with a zero-width space', 'ann\u200b@example.com'],
  ['an address with a direction mark', 'ann@example.com\u202e'],
  ['an address with a tab before it', '\tann@example.com'],
  ['a number with a header behind it', '+49 151 23456789\r\nBcc: +49 151 99999999'],
  ['a number with a word in a second line', '+49 151 23456789\ncall'],
  ['a number with a control character', '+49 151\u000023456789'],
  ['a number with a vertical tab', '+49 151\u000b23456789'],
  ['a number with an unpaired surrogate', '+49 151 2345678\ud800'],
  ['a number of 70 digits behind a mark', `\u200b${'1'.repeat(70)}`],
  ['marks alone', '\u200b\u200e\u2069'],
  ['blanks alone', ' \t '],
];

describe.each(adapters)('Pasted phone numbers over $name', ({ create }) => {
  let app: HttpTestApp;

  beforeAll(async () => {
    app = await startHttpApp({ adapter: create(), options: { controller: true } });
  });
  afterAll(() => app?.close());

  const ask = (token: string): Promise<Answer> => {
    // The quotas of the number and of this machine's address begin anew.
    app.clock.advance(86_401);
    return app.post('/2factor/request-confirmation', { token });
  };

  it.each(PASTED)('reaches the sender cleanly with %s', async (_, pasted, delivered) => {
    expect((await ask(pasted)).status).toBe(200);
    expect(app.inbox.deliveries.at(-1)?.token).toBe(delivered);
  });

  it('have one budget, however they were pasted', async () => {
    app.clock.advance(86_401);
    const statuses: number[] = [];
    for (const [, pasted] of PASTED.slice(0, 7)) {
      const answer = await app.post('/2factor/request-confirmation', { token: pasted });
      statuses.push(answer.status);
    }
    expect(statuses).toEqual([200, 200, 200, 200, 200, 429, 429]);
  });

  it.each(REFUSED)('refuses %s with an error that names the allowed form', async (_, token) => {
    const sent = app.inbox.deliveries.length;
    expect(await ask(token)).toBeProblem(400, 'invalid-request', { detail: DETAIL });
    expect(app.inbox.deliveries).toHaveLength(sent);
  });

  it('names the allowed form of a code that cannot be one', async () => {
    const { id } = (await ask('+49 151 23456789')).body as { id: string };
    for (const code of ['12\u200b3', '123 456 äöü', '\u0000123456']) {
      expect(await app.post('/2factor/confirm', { id, code })).toBeProblem(400, 'invalid-request', {
        detail: expect.stringContaining('A code is a string of 6 to 64 letters, digits') as string,
      });
    }
  });
});
