// An e-mail sender that could not work is refused at boot.
import { afterEach, describe, expect, it, vi } from 'vitest';

import { emailBackend } from '../../lib/backends/email/index.js';
import { TwoFactorConfigurationError } from '../../lib/index.js';
import { startApp } from '../support/test-app.js';
import { countingTransport, ends, failure, FROM, startWith } from './email-fixtures.js';
import { startMailServer, TOKEN } from './mail-server.js';

afterEach(async () => {
  for (const end of ends.splice(0).toReversed()) await end();
});

describe('the set-up of an e-mail sender', () => {
  it.each<[string, unknown]>([
    ['nothing', undefined],
    ['null', null],
    ['no transport', { from: FROM }],
    ['an empty transport', { transport: '', from: FROM }],
    ['no from', { transport: 'smtp://127.0.0.1:1' }],
    ['an empty from', { transport: 'smtp://127.0.0.1:1', from: '' }],
    [
      'a from that is no text',
      { transport: 'smtp://127.0.0.1:1', from: { address: 'a@b.example' } },
    ],
  ])('is refused at boot with %s', async (_, options) => {
    const error = await failure(
      startApp({ options: { senders: { default: { backend: emailBackend, options } } } }),
    );
    expect(error).toBeInstanceOf(TwoFactorConfigurationError);
    expect((error as Error).message).toBe(
      "Sender default needs the options transport and from. Write options: { transport: 'smtp://...', from: '...' }.",
    );
  });

  it('is refused at boot with an unknown option, which the error names', async () => {
    const error = await failure(
      startApp({
        options: {
          senders: {
            default: {
              backend: emailBackend,
              // Misspelt, the message would be the default one in English.
              options: { transport: 'smtp://127.0.0.1:1', from: FROM, composer: () => ({}) },
            },
          },
        },
      }),
    );
    expect(error).toBeInstanceOf(TwoFactorConfigurationError);
    expect((error as Error).message).toBe(
      'There is no option of sender default: composer. Known: compose, from, product, transport.',
    );
  });

  it.each([
    'ACME Bank',
    'ACME Bank <>',
    'ACME Bank <no-reply>',
    '<no-reply@acme.example',
    'no-reply@acme.example>',
    'no-reply@',
    '@acme.example',
    'a@acme.example, b@acme.example',
    'ACME <a@acme.example>, B <b@acme.example>',
    'ACME, Inc. <no-reply@acme.example>',
    'ACME <no-reply@acme.example@evil.example>',
  ])('is refused at boot with the from %s, which is not one address', async (from) => {
    const error = await failure(startWith({ transport: 'smtp://127.0.0.1:1', from }));
    expect(error).toBeInstanceOf(TwoFactorConfigurationError);
    expect((error as Error).message).toBe(
      `The option from of sender default is ${JSON.stringify(from)}, which is not one address: write 'Name <address>' or an ` +
        'address alone, and set a name with a comma in double quotes.',
    );
  });

  it.each([
    ['no-reply@localhost', '', 'no-reply@localhost'],
    ['<no-reply@acme.example>', '', 'no-reply@acme.example'],
    ['ACME Bank <no-reply@acme.example>', 'ACME Bank', 'no-reply@acme.example'],
    ['"ACME, Inc. <Bank>" <no-reply@acme.example>', 'ACME, Inc. <Bank>', 'no-reply@acme.example'],
    ['Банк <no-reply@банк.example>', 'Банк', 'no-reply@банк.example'],
  ])('takes the from %s', async (from, name, address) => {
    const server = await startMailServer();
    const app = await startWith({ transport: server.url, from });
    await app.twoFactor.request({ token: TOKEN });
    expect(server.mails[0]?.from?.value).toEqual([{ name, address }]);
  });

  it('names the missing package in its error', async () => {
    vi.doMock('nodemailer', () => {
      throw new Error("Cannot find package 'nodemailer'");
    });
    try {
      const error = await failure(startWith({ transport: 'smtp://127.0.0.1:1', from: FROM }));
      expect(error).toBeInstanceOf(TwoFactorConfigurationError);
      expect((error as Error).message).toBe(
        'The e-mail backend needs the package nodemailer: install it with "npm install nodemailer".',
      );
    } finally {
      vi.doUnmock('nodemailer');
    }
  });

  it('waits for the greeting for a shorter time than for the rest of the session, and for both less than sendTimeoutMs', async () => {
    const createTransport = vi.fn<(options: object) => object>(() => ({ close: () => undefined }));
    vi.doMock('nodemailer', () => ({ createTransport }));
    try {
      await startWith({ transport: 'smtp://127.0.0.1:1', from: FROM });
      const [options] = createTransport.mock.calls[0] as [Record<string, number>];
      const { connectionTimeout, greetingTimeout, socketTimeout } = options;
      expect(Math.max(connectionTimeout!, greetingTimeout!)).toBeLessThan(socketTimeout!);
      expect(socketTimeout).toBeLessThan(10_000);
    } finally {
      vi.doUnmock('nodemailer');
    }
  });

  it('does not need nodemailer with a transport of its own', async () => {
    vi.doMock('nodemailer', () => {
      throw new Error("Cannot find package 'nodemailer'");
    });
    try {
      const { transport, sent } = countingTransport();
      const app = await startWith({ transport, from: FROM });
      await app.twoFactor.request({ token: TOKEN });
      expect(sent).toHaveLength(1);
      expect(sent[0]).toMatchObject({
        from: FROM,
        to: { name: '', address: TOKEN },
        disableFileAccess: true,
        disableUrlAccess: true,
      });
    } finally {
      vi.doUnmock('nodemailer');
    }
  });
});
