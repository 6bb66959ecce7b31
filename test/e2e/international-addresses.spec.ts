// Addresses in the letters of any script (RFC 6531): Hindi, Thai and Tamil write vowels and tones as combining marks, and a Mac may
// write an accent as one.
import { domainToASCII, domainToUnicode } from 'node:url';

import { ConsoleLogger } from '@nestjs/common';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';

import { emailBackend } from '../../lib/backends/email/index.js';
import { isEmailAddress } from '../../lib/confirmation/model/email-address.js';
import { kindOf } from '../../lib/confirmation/index.js';
import {
  defineSender,
  TwoFactorConfigurationError,
  TwoFactorRecipientError,
  TwoFactorTooManyRequestsError,
} from '../../lib/index.js';
import { canonicalToken } from '../../lib/limits/index.js';
import {
  startScriptedSmtpServer,
  type ScriptedSmtpServer,
} from '../support/scripted-smtp-server.js';
import { secretOf } from '../support/secret.js';
import { startApp, type TestApp } from '../support/test-app.js';
import { countingTransport, ends, failure, FROM, startWith } from './email-fixtures.js';

const HINDI =
  '\u0938\u0902\u092a\u0930\u094d\u0915@\u0939\u093f\u0928\u094d\u0926\u0940.\u092d\u093e\u0930\u0924';
const THAI =
  '\u0e17\u0e35\u0e48\u0e1b\u0e23\u0e36\u0e01\u0e29\u0e32@\u0e40\u0e27\u0e47\u0e1a.\u0e44\u0e17\u0e22';
const TAMIL =
  '\u0b87\u0ba8\u0bcd\u0ba4\u0bbf\u0baf\u0bbe@\u0b87\u0ba8\u0bcd\u0ba4\u0bbf\u0baf\u0bbe.\u0b87\u0ba8\u0bcd\u0ba4\u0bbf\u0baf\u0bbe';
const NFC = 'zo\u00e9@ex\u00e4mple.example';
const NFD = 'zoe\u0301@exa\u0308mple.example';

const logged: string[] = [];
class LogRecorder extends ConsoleLogger {
  override warn(message: unknown): void {
    logged.push(String(message));
  }
}

beforeEach(() => logged.splice(0));
afterEach(async () => {
  for (const end of ends.splice(0).toReversed()) await end();
});

describe('an address beyond ASCII', () => {
  it.each([
    ['in Hindi', HINDI],
    ['in Thai', THAI],
    ['in Tamil', TAMIL],
    ['with accents of one character', NFC],
    ['with accents of two characters', NFD],
    ['in Hindi before a host in ASCII', '\u0939\u093f\u0928\u094d\u0926\u0940@example.com'],
    ['in ASCII before a host in Thai', 'ann@\u0e40\u0e27\u0e47\u0e1a.\u0e44\u0e17\u0e22'],
    ['with marks after a dot', 'a.e\u0301@example.com'],
    ['of 64 octets before the at sign', `${'\u00e9'.repeat(32)}@example.com`],
    ['with a label of 63 octets in its ASCII form', `ann@${'a'.repeat(55)}\u00fc.example`],
  ])('is a mailbox when it is %s', async (_, token) => {
    const { transport, sent } = countingTransport();
    const app = await startWith({ transport, from: FROM });
    expect(isEmailAddress(token)).toBe(true);
    await app.twoFactor.request({ token });
    expect(sent).toHaveLength(1);
    expect(kindOf(canonicalToken(token))).toBe('email');
  });

  it.each([
    ['a mark at the beginning', '\u0301nn@example.com'],
    ['a mark after a dot', 'a.\u0301nn@example.com'],
    ['a mark at the beginning of the host', 'ann@\u0301example.com'],
    ['a mark at the beginning of a label', 'ann@mail.\u0301example.com'],
    ['a mark alone', '\u0301@example.com'],
    ['66 octets before the at sign, in 33 characters', `${'\u00e9'.repeat(33)}@example.com`],
    ['a label of 64 octets in its ASCII form', `ann@${'a'.repeat(56)}\u00fc.example`],
    [
      '255 octets in fewer characters',
      `${'a'.repeat(64)}@${'\u00fc.'.repeat(19)}${'b'.repeat(36)}.example`,
    ],
    ['an IP address of digits in circles', 'ann@\u2460\u2461\u2466.\u24ea.\u24ea.\u2460'],
    ['a host without an ASCII form', 'ann@xn--a.example'],
  ])('is refused when it has %s', async (_, token) => {
    const { transport, sent } = countingTransport();
    const app = await startWith({ transport, from: FROM });
    expect(await failure(app.twoFactor.request({ token }))).toBeInstanceOf(TwoFactorRecipientError);
    expect(sent).toEqual([]);
    expect(isEmailAddress(token)).toBe(false);
  });

  it.each([
    ['a long s', 'ann@\u017fhop.example', 'ann@shop.example'],
    ['full-width letters', 'ann@\uff53\uff48\uff4f\uff50.example', 'ann@shop.example'],
    ['a ligature', 'ann@\ufb01sh.example', 'ann@fish.example'],
    ['half-width Katakana', 'ann@\uff71.example', 'ann@\u30a2.example'],
    ['a capital with an accent', 'ann@EX\u00c4MPLE.example', 'ann@ex\u00e4mple.example'],
    ['accents of two characters', NFD, NFC],
    ['letters of Hindi', HINDI, HINDI],
    ['letters of Thai', THAI, THAI],
    ['a sharp s', 'ann@stra\u00dfe.example', 'ann@stra\u00dfe.example'],
    ['its ASCII form', 'ann@xn--exmple-cua.example', 'ann@xn--exmple-cua.example'],
    ['capitals of ASCII', 'Ann@EXAMPLE.com', 'Ann@EXAMPLE.com'],
  ])(
    'is sent to the same host that the canonical address names, when its domain has %s',
    async (_, token, to) => {
      const { transport, sent } = countingTransport();
      const app = await startWith({ transport, from: FROM });
      await app.twoFactor.request({ token });

      expect(sent).toMatchObject([{ to: { name: '', address: to } }]);
      const host = to.slice(to.indexOf('@') + 1);
      expect(canonicalToken(token).endsWith(`@${domainToASCII(host)}`)).toBe(true);
      // nodemailer 7 to 9.0 encodes each letter of it as it is, which leads to this host only if each stands for itself.
      const mapped = domainToUnicode(domainToASCII(host));
      expect([mapped, domainToASCII(mapped)]).toContain(host.toLowerCase());
    },
  );

  it('has one budget in both forms of its accents', async () => {
    const { transport, sent } = countingTransport();
    const app = await startWith(
      { transport, from: FROM },
      { limits: { sendsPerToken: [{ max: 2, perSeconds: 600 }] } },
    );
    await app.twoFactor.request({ token: NFC });
    app.clock.advance(31);
    await app.twoFactor.request({ token: NFD });
    app.clock.advance(31);
    for (const token of [NFC, NFD]) {
      expect(await failure(app.twoFactor.request({ token }))).toBeInstanceOf(
        TwoFactorTooManyRequestsError,
      );
    }
    expect(sent).toHaveLength(2);
  });
});

describe.each([
  { title: 'offers SMTPUTF8', extensions: ['8BITMIME', 'SMTPUTF8'] },
  { title: 'does not offer SMTPUTF8', extensions: ['8BITMIME'] },
])('a mail server that $title', ({ extensions }) => {
  const offers = extensions.includes('SMTPUTF8');
  let server: ScriptedSmtpServer;
  let app: TestApp;

  beforeEach(async () => {
    server = await startScriptedSmtpServer(extensions);
    ends.push(() => server.close());
    const transport = {
      host: '127.0.0.1',
      port: server.port,
      auth: { user: 'acme', pass: secretOf('the mail account') },
    };
    app = await startApp({
      override: (builder) => builder.setLogger(new LogRecorder()),
      options: {
        senders: { default: defineSender(emailBackend, { options: { transport, from: FROM } }) },
      },
    });
    ends.push(() => app.close());
  });

  const [hindi, thai, tamil] = [HINDI, THAI, TAMIL];
  it.each([
    ['Hindi', hindi, hindi],
    ['Thai', thai, thai],
    ['Tamil', tamil, tamil],
    ['an accent of two characters, as one', NFD, NFC],
  ])(
    'is given the address as it is, and is told of SMTPUTF8 only where it is offered: %s',
    async (_, token, sentTo) => {
      await app.twoFactor.request({ token });
      const [mail, recipient] = server.envelopes;
      expect(mail!.includes('SMTPUTF8')).toBe(offers);
      expect(recipient).toBe(`RCPT TO:<${sentTo}>`);
    },
  );

  it('is given the ASCII form of a host behind a name in ASCII, which needs no extension', async () => {
    await app.twoFactor.request({ token: 'ann@\u0e40\u0e27\u0e47\u0e1a.\u0e44\u0e17\u0e22' });
    const [mail, recipient] = server.envelopes;
    expect(mail).not.toContain('SMTPUTF8');
    expect(recipient).toBe('RCPT TO:<ann@xn--r3cz4e3a.xn--o3cw4h>');
  });

  it.each([
    // Whatever it answers, this address is what it cannot pass on; another recipient would be accepted.
    '553 5.6.7 SMTPUTF8 is required, but was not offered by host mx.acme.example',
    '550 5.6.7 Internationalized mailbox is not supported',
    '501 5.1.3 Bad recipient address syntax',
    '501 5.5.4 Invalid address',
    '501 Syntax error in parameters or arguments',
    '553 Mailbox name not allowed',
    '555 5.5.2 Syntax error',
    '500 5.5.2 Error: bad syntax',
  ])('that refuses the address by %s is refused this recipient alone', async (answer) => {
    server.refuse('RCPT', answer);
    for (const token of [HINDI, NFD]) {
      const error = await failure(app.twoFactor.request({ token }));
      expect(error).toBeInstanceOf(TwoFactorRecipientError);
      expect((error as Error).message).toBe('The mail server refuses this address.');
    }
    expect(logged.join('\n')).toContain(answer.slice(0, 60));
  });

  it('causes a TwoFactorConfigurationError when it answers 501 to an address in ASCII', async () => {
    server.refuse('RCPT', '501 5.5.4 Invalid address');
    for (const token of ['ann@example.com', 'ann@\u0e40\u0e27\u0e47\u0e1a.\u0e44\u0e17\u0e22']) {
      expect(await failure(app.twoFactor.request({ token }))).toBeInstanceOf(
        TwoFactorConfigurationError,
      );
    }
  });

  it.each([
    ['the address', `550 5.1.1 <${HINDI}>: unknown`, '550 5.1.1 <***>: unknown'],
    ['its name', `550 5.1.1 user ${HINDI.split('@')[0]} unknown`, '550 5.1.1 user *** unknown'],
    ['its host', `550 5.1.2 ${HINDI.split('@')[1]} unknown`, '550 5.1.2 *** unknown'],
  ])('that names %s in its answer names nobody in the log', async (_, answer, line) => {
    server.refuse('RCPT', answer);
    await failure(app.twoFactor.request({ token: HINDI }));
    expect(logged).toHaveLength(1);
    expect(logged[0]).toContain(line);
  });

  it('that writes an accent of two characters as one names nobody in the log', async () => {
    server.refuse('RCPT', '550 5.1.1 user zo\u00e9 unknown');
    await failure(app.twoFactor.request({ token: NFD }));
    expect(logged[0]).toContain('550 5.1.1 user *** unknown');
  });
});
