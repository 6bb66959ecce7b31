import { Inject, Module, type DynamicModule } from '@nestjs/common';
import { createTransport, type Transporter } from 'nodemailer';

import { CatchAllMailServer } from '../inbox/catch-all-mail-server.js';
import { InboxModule } from '../inbox/inbox.module.js';
import type { Settings } from '../settings.js';

const MAIL_TRANSPORT = Symbol('MAIL_TRANSPORT');

export const InjectMailTransport = (): ParameterDecorator => Inject(MAIL_TRANSPORT);

/** Shorter than `sendTimeoutMs` of nestjs-two-factor, so that the socket is closed and not only forgotten. */
const TIMEOUT_MS = 9_000;

/** One way out for all mail: codes and notices. In development without SMTP_URL it leads to the inbox. */
@Module({})
export class MailModule {
  static register({ hasInbox, smtpUrl }: Settings): DynamicModule {
    const transport = {
      provide: MAIL_TRANSPORT,
      inject: hasInbox ? [CatchAllMailServer] : [],
      useFactory: (server?: CatchAllMailServer): Transporter => {
        const url = smtpUrl ?? server?.url;
        if (url === undefined) throw new Error('There is no mail server. Set SMTP_URL.');
        return createTransport({
          url,
          connectionTimeout: TIMEOUT_MS,
          greetingTimeout: TIMEOUT_MS,
          socketTimeout: TIMEOUT_MS,
        });
      },
    };
    const inbox = hasInbox ? [InboxModule] : [];
    return {
      module: MailModule,
      imports: inbox,
      providers: [transport],
      exports: [transport, ...inbox],
    };
  }
}
