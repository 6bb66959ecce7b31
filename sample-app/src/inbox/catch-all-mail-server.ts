import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import type { Readable } from 'node:stream';
import { callbackify } from 'node:util';

import type { OnApplicationShutdown } from '@nestjs/common';
import { simpleParser } from 'mailparser';
import { SMTPServer } from 'smtp-server';

import type { InboxService } from './inbox.service.js';

/** A real SMTP server on a free port of this machine, which delivers all mail to the inbox. */
export class CatchAllMailServer implements OnApplicationShutdown {
  private constructor(
    private readonly server: SMTPServer,
    /** Where it listens: `smtp://127.0.0.1:...` */
    readonly url: string,
  ) {}

  static async listen(inbox: InboxService): Promise<CatchAllMailServer> {
    const server = new SMTPServer({
      authOptional: true,
      disabledCommands: ['AUTH', 'STARTTLS'],
      disableReverseLookup: true,
      onData: (stream, { envelope }, done) => {
        const to = envelope.rcptTo.map(({ address }) => address).join(', ');
        const delivered = callbackify(() => deliver(stream, to, inbox));
        delivered((error) => done(error));
      },
    });
    const listener = server.listen(0, '127.0.0.1');
    await once(listener, 'listening');
    const { port } = listener.address() as AddressInfo;
    return new CatchAllMailServer(server, `smtp://127.0.0.1:${port}`);
  }

  onApplicationShutdown(): Promise<void> {
    return new Promise((resolve) => this.server.close(resolve));
  }
}

async function deliver(mail: Readable, to: string, inbox: InboxService): Promise<void> {
  const { subject = '', text = '' } = await simpleParser(mail);
  inbox.add({ kind: 'email', to, subject, text: text.trim() });
}
