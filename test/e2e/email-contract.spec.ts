// The contract of a sender backend must hold for mails as for every other provider: over SMTP, and over MailerService.
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import type { Readable } from 'node:stream';

import { simpleParser } from 'mailparser';
import { createTransport } from 'nodemailer';
import { SMTPServer } from 'smtp-server';
import { describe, it } from 'vitest';

import { emailBackend, type EmailOptions } from '../../lib/backends/email/index.js';
import type { Delivery } from '../../lib/index.js';
import { describeSenderBackend } from '../../lib/testing/index.js';

const UNREACHABLE = 'unknown@example.com';

interface MailServer {
  readonly url: string;
  readonly mails: { readonly token: string; readonly text: string }[];
  next: 'defer' | 'silence' | null;
  close(): Promise<void>;
}

/** A mail server on loopback that keeps what it accepts, and answers the next recipient as a test asks for. */
async function startMailServer(): Promise<MailServer> {
  const server = new SMTPServer({
    authOptional: true,
    disabledCommands: ['AUTH', 'STARTTLS'],
    onRcptTo({ address }, _, done) {
      const { next } = kept;
      kept.next = null;
      if (next === 'silence') return;
      if (next === 'defer') {
        done(Object.assign(new Error('4.3.2 try again later'), { responseCode: 451 }));
      } else if (address === UNREACHABLE) {
        done(Object.assign(new Error('5.1.1 User unknown'), { responseCode: 550 }));
      } else done();
    },
    onData(stream: Readable, { envelope }, done) {
      simpleParser(stream, (error: Error | null, mail) => {
        if (!error) kept.mails.push({ token: envelope.rcptTo[0]!.address, text: mail.text ?? '' });
        done(error);
      });
    },
  });
  server.on('error', () => undefined);
  const listening = server.listen(0, '127.0.0.1');
  await once(listening, 'listening');
  const kept: MailServer = {
    url: `smtp://127.0.0.1:${(listening.address() as AddressInfo).port}`,
    mails: [],
    next: null,
    close: () => new Promise((resolve) => server.close(() => resolve())),
  };
  return kept;
}

/** The part of `MailerService` of @nestjs-modules/mailer that sends, over the same server. */
const mailerOn = (url: string): EmailOptions['transport'] => {
  const transport = createTransport(url);
  return { sendMail: (mail: object) => transport.sendMail(mail) };
};

describe.each<[string, (url: string) => EmailOptions['transport']]>([
  ['emailBackend over SMTP', (url) => url],
  ['emailBackend over MailerService', mailerOn],
])('%s', (name, transportOf) => {
  describeSenderBackend(
    name,
    {
      open: async () => {
        const server = await startMailServer();
        const input = { transport: transportOf(server.url), from: 'no-reply@acme.example' };
        const send = await emailBackend({ name: 'email', verboseName: 'email', options: input });
        return {
          server,
          send: (delivery: Delivery<EmailOptions>) => send(delivery),
          delivered: () => server.mails,
          close: () => server.close(),
        };
      },
      token: (n) => `ann${n}@example.com`,
      unreachable: [UNREACHABLE],
      failNext: ({ server }) => {
        server.next = 'defer';
      },
      hang: ({ server }) => {
        server.next = 'silence';
      },
      settleWithinMs: 20_000,
    },
    { describe, it },
  );
});
