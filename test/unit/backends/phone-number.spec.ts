import { describe, expect, it } from 'vitest';

import { phoneNumberOf } from '../../../lib/backends/provider/phone-number.js';
import { TwoFactorRecipientError } from '../../../lib/index.js';

describe('phoneNumberOf', () => {
  it.each(['+14155550123', '+1 415 555 0123', '+1-415-555-0123', '+1.415.555.0123'])(
    'gives providers a plus and digits when a client writes %s',
    (token) => expect(phoneNumberOf(token)).toBe('+14155550123'),
  );

  it.each([
    '(415) 555-0123',
    '0014155550123',
    '4155550123',
    '+1415',
    '+44 (0)20 7946 0018',
    '+1 415 555 0123 ext. 5',
    'ann@example.com',
    'not a number',
    '',
  ])('refuses "%s", which a provider would read in another way', (token) => {
    expect(() => phoneNumberOf(token)).toThrow(TwoFactorRecipientError);
  });

  it('does not quote the recipient in its error', () => {
    expect(() => phoneNumberOf('55501 23')).toThrow(
      expect.not.objectContaining({ message: expect.stringContaining('555') }),
    );
  });
});
