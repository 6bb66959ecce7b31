import { emailBackend, type EmailOptions } from '../../lib/backends/email/index.js';
import { defineSender, type TwoFactorModuleOptions } from '../../lib/index.js';
import { startApp, type TestApp } from '../support/test-app.js';

export const FROM = 'ACME Bank <no-reply@acme.example>';

export const ends: (() => Promise<unknown>)[] = [];

export async function startWith(
  options: Partial<EmailOptions>,
  more: TwoFactorModuleOptions = {},
): Promise<TestApp> {
  const app = await startApp({
    options: {
      senders: { default: defineSender(emailBackend, { options: options as EmailOptions }) },
      ...more,
    },
  });
  ends.push(() => app.close());
  return app;
}

export async function failure(work: Promise<unknown>): Promise<unknown> {
  return work.then(
    () => 'nothing',
    (reason: unknown) => reason,
  );
}

/** A transport that only counts. */
export function countingTransport(): { transport: EmailOptions['transport']; sent: unknown[] } {
  const sent: unknown[] = [];
  const transport = { sendMail: async (mail: unknown) => sent.push(mail) };
  return { transport, sent };
}
