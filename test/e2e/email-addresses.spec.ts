import { afterEach, describe, expect, it } from 'vitest';

import { isEmailAddress } from '../../lib/confirmation/model/email-address.js';
import { TwoFactorInputError, TwoFactorRecipientError } from '../../lib/index.js';
import { FROM, ends, startWith, failure, countingTransport } from './email-fixtures.js';

afterEach(async () => {
  for (const end of ends.splice(0).toReversed()) await end();
});

describe('a token that is no plain address', () => {
  it.each<[string, string]>([
    ['a header', 'a@b.example\r\nBcc: x@y.example'],
    ['the end of a message', 'a@b.example\n.\n'],
    ['a NUL', 'a@b.example\u0000'],
    ['a tab', 'a@b.example\tx@y.example'],
    ['a blank at its end', 'a@b.example '],
    ['321 characters', `${'a'.repeat(309)}@b.example.com`],
  ])('is refused for all senders when it is %s, and nothing is charged', async (_, token) => {
    const { transport, sent } = countingTransport();
    const app = await startWith({ transport, from: FROM });
    expect(await failure(app.twoFactor.request({ token }))).toBeInstanceOf(TwoFactorInputError);
    expect(sent).toEqual([]);
  });

  const refused: [string, string][] = [
    ['two addresses by a comma', 'a@b.example,x@y.example'],
    ['two addresses by a semicolon', 'a@b.example;x@y.example'],
    ['two addresses by a blank', 'a@b.example x@y.example'],
    ['a quoted name with another address', '"x@evil.example y"@good.example'],
    ['a quoted local part', '"ann"@example.com'],
    ['a closed bracket', 'a@b.example>'],
    ['a name and an address', 'Ann <ann@example.com>'],
    ['an address in brackets', '<ann@example.com>'],
    ['a comment', 'ann(comment)@example.com'],
    ['a comment in the host', 'ann@example(comment).com'],
    ['a route', '@relay.example:ann@example.com'],
    ['a group', 'friends: ann@example.com, bob@example.com;'],
    ['two at signs', 'ann@evil.example@example.com'],
    ['an IP literal', 'ann@[127.0.0.1]'],
    ['an IPv6 literal', 'ann@[IPv6:::1]'],
    ['an IP address', 'ann@127.0.0.1'],
    ['a host without a dot', 'ann@localhost'],
    ['a host with an empty label', 'ann@example..com'],
    ['a host that begins with a dot', 'ann@.example.com'],
    ['a host that ends in a dot', 'ann@example.com.'],
    ['a host with a dash at the edge', 'ann@-example.com'],
    ['a host with an underscore', 'ann@exa_mple.com'],
    ['a host with an ideographic full stop', 'ann@example。com'],
    ['a host with a full-width at', 'ann＠example.com@example.com'],
    ['a label of 64', `ann@${'a'.repeat(64)}.com`],
    ['no local part', '@example.com'],
    ['no host', 'ann@'],
    ['no at', 'ann.example.com'],
    ['a phone number', '+14155550123'],
    ['a dot at the beginning', '.ann@example.com'],
    ['two dots', 'a..nn@example.com'],
    ['a dot at the end', 'ann.@example.com'],
    ['a local part of 65', `${'a'.repeat(65)}@example.com`],
    [
      '255 characters',
      `${'a'.repeat(64)}@${'b'.repeat(60)}.${'c'.repeat(60)}.${'d'.repeat(60)}.example`,
    ],
    ['the address of another person with a long s', '\u017fam@example.com'],
    ['the address of another person in full-width letters', '\uff53\uff41\uff4d@example.com'],
    ['the address of another person with a ligature', '\ufb01nn@example.com'],
    ['a backslash', 'ann\\@example.com'],
    ['a percent route', 'ann%evil.example@'],
    ['an encoded word', '=?utf-8?q?ann?=@'],
    ['a command', 'ann@example.com`id`'],
    ['an emoji host', 'ann@😀.example'],
  ];

  it.each(refused)(
    'is refused when it is %s, and the transport is not called',
    async (_, token) => {
      const { transport, sent } = countingTransport();
      const app = await startWith({ transport, from: FROM });
      const error = await failure(app.twoFactor.request({ token }));
      expect(error).toBeInstanceOf(TwoFactorRecipientError);
      expect((error as Error).message).toBe('The token is not a plain e-mail address.');
      expect(sent).toEqual([]);
      expect(isEmailAddress(token)).toBe(false);
    },
  );

  it.each([
    'ann@example.com',
    'ANN@EXAMPLE.COM',
    "o'neil+tag@mail.example.co.uk",
    'a.b-c_d@example.com',
    "!#$%&'*+/=?^_`{|}~-@example.com",
    '1@1.example',
    'ann@xn--exmple-cua.example',
    'ännchen@exämple.example',
    '用户@例子.广告',
    `${'a'.repeat(64)}@example.com`,
    `ann@${'a'.repeat(63)}.com`,
  ])('is not refused when it is %s', (token) => {
    expect(isEmailAddress(token)).toBe(true);
  });
});
