import { once } from 'node:events';
import type { AddressInfo, Server } from 'node:net';
import type { Readable } from 'node:stream';

import { simpleParser, type ParsedMail } from 'mailparser';
import { SMTPServer } from 'smtp-server';

import { ends } from './email-fixtures.js';

export const TOKEN = 'ann@example.com';

/** A mail server on loopback that keeps what it gets. */
export interface MailServer {
  readonly url: string;
  readonly mails: ParsedMail[];
  /** The envelopes: who the mails were really handed to. */
  readonly recipients: string[];
  connections: number;
  /** The connections that are open now. */
  open(): number;
}

export async function startMailServer(refusal?: {
  readonly responseCode: number;
  readonly text: string;
}): Promise<MailServer> {
  const kept: MailServer = {
    url: '',
    mails: [],
    recipients: [],
    connections: 0,
    open: () => server.connections.size,
  };
  const server = new SMTPServer({
    authOptional: true,
    disabledCommands: ['AUTH', 'STARTTLS'],
    onConnect(_, done) {
      kept.connections += 1;
      done();
    },
    onRcptTo({ address }, _, done) {
      if (refusal) {
        done(Object.assign(new Error(refusal.text), { responseCode: refusal.responseCode }));
        return;
      }
      kept.recipients.push(address);
      done();
    },
    onData(stream: Readable, _, done) {
      simpleParser(stream, (error: Error | null, mail) => {
        if (!error) kept.mails.push(mail);
        done(error);
      });
    },
  });
  const listening = server.listen(0, '127.0.0.1');
  await once(listening, 'listening');
  ends.push(() => new Promise<void>((resolve) => server.close(() => resolve())));
  return Object.assign(kept, { url: urlOf(listening) });
}

export function urlOf(server: Server): string {
  return `smtp://127.0.0.1:${(server.address() as AddressInfo).port}`;
}
