import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import type { Readable } from 'node:stream';

import { SMTPServer } from 'smtp-server';

import { emailBackend } from '../../lib/backends/email/index.js';
import { defineSender, functionalSenderBackend } from '../../lib/index.js';
import { openApplication } from './application.js';
import { fresh, type Entry } from './entry.js';

/** More than is read of a provider's text. */
const MAX_PROVIDER_TEXT = 20_000;

/** A mail server that takes mail for `accepted.example`, and repeats every other address when it refuses it. */
async function startMailServer(): Promise<{ url: string; stop: () => void }> {
  const server = new SMTPServer({
    authOptional: true,
    disabledCommands: ['AUTH', 'STARTTLS'],
    onRcptTo({ address }, _, done) {
      if (address.endsWith('@accepted.example')) {
        done();
        return;
      }
      // For now, so that the words are passed on: of a mailbox that is not there the backend has words of its own.
      const error = new Error(`4.2.1 <${address}> (${address}): ${address} is busy`);
      done(Object.assign(error, { responseCode: 450 }));
    },
    onData(stream: Readable, _, done) {
      stream.on('end', done).resume();
    },
  });
  const listening = server.listen(0, '127.0.0.1');
  await once(listening, 'listening');
  const { port } = listening.address() as AddressInfo;
  return { url: `smtp://127.0.0.1:${port}`, stop: () => server.close() };
}

/** What backends do with a text, and what their providers say. */
export async function messageEntries(): Promise<Entry[]> {
  const { url } = await startMailServer();
  let words = '';
  const application = await openApplication({
    options: {
      codeGenerator: () => '---123---456---',
      senders: {
        default: {
          backend: functionalSenderBackend(({ token, code }) => {
            throw new Error(`<${token}>, ${JSON.stringify({ token, code })}: ${code} ${token}`);
          }),
        },
        provider: {
          backend: functionalSenderBackend(() => {
            throw new Error(words);
          }),
        },
        mail: defineSender(emailBackend, {
          options: { transport: url, from: 'ACME <no-reply@acme.example>', product: 'ACME' },
        }),
      },
    },
  });
  const { twoFactor } = application;
  const entry = (
    name: string,
    maxLength: number,
    reaches: string,
    feed: (text: string, subject: string) => Promise<unknown>,
  ): Entry => ({
    name,
    maxLength,
    reaches,
    feed: async (text) => {
      await feed(text, `user-${fresh()}`);
      return 'done';
    },
  });
  const mail = (token: string, subject: string, details?: { text: string }): Promise<unknown> =>
    twoFactor.request({ token, subject, way: 'mail', ...(details && { details }) });
  return [
    entry('an echoing backend', 320, 'send-failed', (token, subject) =>
      twoFactor.request({ token, subject }),
    ),
    entry("a provider's words", MAX_PROVIDER_TEXT, 'send-failed', (text, subject) => {
      words = text;
      return twoFactor.request({ token: `${'a-'.repeat(159)}b`, subject, way: 'provider' });
    }),
    entry('an echoing mail server: the mailbox', 64, 'send-failed', (local, subject) =>
      mail(`${local}@b.example`, subject),
    ),
    entry('an echoing mail server: the domain', 180, 'send-failed', (text, subject) =>
      mail(
        `a@${(text.match(/.{1,60}/gsu) ?? []).map((label) => `b${label}b`).join('.')}.example`,
        subject,
      ),
    ),
    entry('a mail: its recipient', 64, 'done', (local, subject) =>
      mail(`${local}@accepted.example`, subject),
    ),
    entry('a mail: its details', 4_000, 'done', (text, subject) =>
      mail('ann@accepted.example', subject, { text }),
    ),
  ];
}
