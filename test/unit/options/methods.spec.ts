import { describe, expect, it } from 'vitest';

import { recoveryCodes, totp } from '../../../lib/index.js';
import { resolveOptions } from '../../../lib/options/index.js';
import { secretOf } from '../../support/secret.js';

const secret = secretOf('methods');
const subject = (): string => 'ann';
const recipient = (): string => 'ann@example.com';
const methods = [totp({ issuer: 'ACME' }), recoveryCodes()];

function refusal(options: object): string {
  try {
    resolveOptions({ secret, ...options }, { NODE_ENV: 'test' });
  } catch (error) {
    return (error as Error).message;
  }
  return 'accepted';
}

describe('The option methods', () => {
  it('is empty unless it is given', () => {
    expect(resolveOptions({ secret }, { NODE_ENV: 'test' }).methods.size).toBe(0);
    expect([...resolveOptions({ secret, methods }, { NODE_ENV: 'test' }).methods.keys()]).toEqual([
      'totp',
      'recovery',
    ]);
  });

  it.each([
    [5, 'Option methods is 5. Give a list'],
    ['totp', 'Option methods is "totp". Give a list'],
    [
      ['totp'],
      'Option methods[0] is "totp". Give what totp(), passkeys(), recoveryCodes() or rememberedDevices() returns.',
    ],
    [[totp], 'Option methods[0] is a value of type function.'],
    [[{ name: 'sms' }], 'Option methods[0] is a value of type object.'],
    [[methods[0], methods[0]], 'Option methods has totp twice.'],
    [[methods[1]], 'Option methods has recovery alone, which exists only beside an authenticator.'],
  ])('is refused as %o', (given, message) => {
    expect(refusal({ methods: given })).toContain(message);
  });

  it.each([
    [{ subject, recipient, methods: [] }, 'Option purposes.x.methods is an array. Give a list'],
    [{ subject, recipient, methods: 'totp' }, 'Option purposes.x.methods is "totp".'],
    [{ subject, recipient, methods: ['totp', 'totp'] }, 'Give a list of different names'],
    [{ subject, recipient, methods: ['passkey'] }, 'has "passkey", which is not configured.'],
    [{ open: true, methods: ['totp'] }, 'Purpose x has methods but no subject'],
    [{ subject, methods: ['totp', 'code'] }, 'Purpose x has a subject but no recipient'],
    [
      { subject, recipient: 'client', methods: ['totp', 'code'] },
      'Purpose x proves a token that the client names, and only a code that is sent there does that.',
    ],
    [
      { subject, recipient, senders: ['sms'], methods: ['totp'] },
      'Purpose x has senders, and methods that send nothing.',
    ],
  ])('refuses methods that cannot prove what a purpose is for: %o', (purpose, message) => {
    expect(refusal({ methods, purposes: { x: purpose } })).toContain(message);
  });

  it.each([
    [{ subject, methods: ['totp', 'recovery'] }],
    [{ subject, recipient, methods: ['totp', 'code'] }],
    [{ subject, recipient: 'client', methods: ['code'] }],
    [{ subject, recipient, methods: () => ['totp'] }],
    [{ subject, methods: () => ['totp'] }],
  ])('accepts the methods of a purpose: %o', (purpose) => {
    expect(refusal({ methods, purposes: { x: purpose } })).toBe('accepted');
  });

  it('refuses methods of a purpose that are not configured', () => {
    const purposes = { x: { subject, recipient, methods: ['totp', 'code'] } };

    expect(refusal({ purposes })).toBe(
      'Option purposes.x.methods has "totp", which is not configured. Add it to the option methods, or use one of code.',
    );
  });
});

describe('totp() and recoveryCodes()', () => {
  it.each([
    [undefined, 'The issuer of totp() is 1 to 64 characters without a colon'],
    [{}, 'The issuer of totp() is'],
    [{ issuer: '' }, 'The issuer of totp() is'],
    [{ issuer: 'a:b' }, 'The issuer of totp() is'],
    [{ issuer: 'a\nb' }, 'The issuer of totp() is'],
    [{ issuer: 'x'.repeat(65) }, 'The issuer of totp() is'],
    [{ issuer: 'ACME', max: 4 }, 'The option max of totp() is a whole number from 1 to 3.'],
    [{ issuer: 'ACME', max: 0 }, 'The option max of totp()'],
    [{ issuer: 'ACME', window: 2 }, 'totp() knows no option window.'],
  ])('refuses an app as %o', (options, message) => {
    expect(() => totp(options as { issuer: string })).toThrow(message);
  });

  it.each([
    [{ count: 0 }, 'The option count of recoveryCodes() is a whole number from 1 to 20.'],
    [{ count: 21 }, 'The option count of recoveryCodes()'],
    [{ count: 1.5 }, 'The option count of recoveryCodes()'],
    [{ length: 5 }, 'recoveryCodes() knows no option length.'],
  ])('refuses recovery codes as %o', (options, message) => {
    expect(() => recoveryCodes(options as { count: number })).toThrow(message);
  });
});
