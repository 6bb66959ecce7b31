import { describe, expect, it } from 'vitest';

import { emailBackend } from '../../lib/backends/email/index.js';
import { TwoFactorConfigurationError } from '../../lib/index.js';
import { startApp } from '../support/test-app.js';

const FROM = 'ACME <no-reply@acme.example>';

function starting(transport: unknown): ReturnType<typeof startApp> {
  const options = { transport, from: FROM };
  return startApp({ options: { senders: { default: { backend: emailBackend, options } } } });
}

describe('The transport of an e-mail sender', () => {
  it.each<[string, unknown]>([
    ['a host without a scheme', 'mail.example.com'],
    ['a host and a port without a scheme', 'localhost:1025'],
    ['a scheme of another protocol', 'http://mail.example.com'],
    ['a scheme without a host', 'smtp://'],
    ['a password with a slash in it', 'smtp://user:secret/word@mail.example.com'],
    ['a password with digits before its slash', 'smtp://user:12345/secret@mail.example.com'],
    ['a password with digits before its number sign', 'smtp://user:12345#secret@mail.example.com'],
    ['a password with digits before its question mark', 'smtp://ann:42?secret@mail.example.com'],
    ['a number', 1025],
    ['true', true],
  ])(
    'is refused at boot when it is %s, because nodemailer would connect to another host',
    async (_, transport) => {
      const error: unknown = await starting(transport).catch((thrown: unknown) => thrown);

      expect(error).toBeInstanceOf(TwoFactorConfigurationError);
      expect((error as Error).message).toMatch(
        /^The option transport of sender default is no address of a mail server: write 'smtp:\/\/user:password@host:587'/,
      );
      expect((error as Error).message).not.toContain('secret');
    },
  );

  it.each<[string, unknown]>([
    ['a host', 'smtp://mail.example.com'],
    ['a host with TLS, a port, a login and settings', 'smtps://me:p%2Fw@[::1]:465/?pool=true'],
    ['SMTP options', { host: '127.0.0.1', port: 1 }],
  ])('boots when it is %s', async (_, transport) => {
    const test = await starting(transport);

    expect(test.app).toBeDefined();
    await test.close();
  });
});
