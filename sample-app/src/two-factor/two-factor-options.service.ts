import { Inject, Injectable, Optional, type ExecutionContext } from '@nestjs/common';
import {
  defineSender,
  type TwoFactorModuleOptions,
  type TwoFactorOptionsFactory,
} from 'nestjs-two-factor';
import { emailBackend } from 'nestjs-two-factor/backends/email';

import { PHONE } from '../accounts/phone.js';
import type { User } from '../accounts/user.entity.js';
import { CatchAllMailServer } from '../inbox/catch-all-mail-server.js';
import type { HttpRequest } from '../sessions/http.js';
import { SessionService } from '../sessions/session.service.js';
import { settings } from '../settings.js';
import { PhoneDetails, requestedDetails, TransferDetails } from './details.js';

/** Who may be asked to confirm what, and where the codes go. */
@Injectable()
export class TwoFactorOptionsService implements TwoFactorOptionsFactory {
  constructor(
    private readonly sessions: SessionService,
    @Optional() @Inject(CatchAllMailServer) private readonly mailServer?: CatchAllMailServer,
  ) {}

  createTwoFactorOptions(): TwoFactorModuleOptions {
    const transport = settings.smtpUrl ?? this.mailServer?.url;
    if (transport === undefined) throw new Error('There is no mail server. Set SMTP_URL.');
    return {
      secret: settings.twoFactorSecret,
      defaultSender: 'email',
      // The sender `sms` is the class that the inbox brings along, when there is an inbox.
      senders: {
        email: defineSender(emailBackend, {
          options: { transport, from: settings.mailFrom, product: 'Sample Bank' },
          verboseName: 'E-mail',
        }),
      },
      limits: {
        // Whoever plays with the sample signs in more often than a customer.
        sendsPerToken: [{ max: 30, perSeconds: 3_600 }],
        sendsPerRequester: [{ max: 30, perSeconds: 3_600 }],
        requester: (context) => this.#userId(context),
      },
      purposes: {
        // Open: it proves the address that the client names, and nothing about anybody.
        'sign-up': { open: true, senders: ['email'] },
        // Open for confirm, resend and check. Only AccountsService makes one with a subject, and only that signs in.
        login: { open: true },
        'change-phone': {
          subject: (context) => this.#userId(context),
          // The code goes to the very number that it is about.
          recipient: (context, way) => (way === 'sms' ? requestedPhone(context) : null),
          details: PhoneDetails,
        },
        transfer: {
          subject: (context) => this.#userId(context),
          recipient: async (context, way) => {
            const user = await this.#user(context);
            return way === 'sms' ? user?.phone : user?.email;
          },
          details: TransferDetails,
        },
      },
    };
  }

  async #userId(context: ExecutionContext): Promise<string | undefined> {
    return (await this.#user(context))?.id;
  }

  #user(context: ExecutionContext): Promise<User | null> {
    return this.sessions.userOf(context.switchToHttp().getRequest<HttpRequest>());
  }
}

function requestedPhone(context: ExecutionContext): string | null {
  const { phone } = requestedDetails(context);
  return typeof phone === 'string' && PHONE.test(phone) ? phone : null;
}
