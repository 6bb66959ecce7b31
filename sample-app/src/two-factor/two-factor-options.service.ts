import { Injectable, type ExecutionContext } from '@nestjs/common';
import {
  defineSender,
  type TwoFactorModuleOptions,
  type TwoFactorOptionsFactory,
} from 'nestjs-two-factor';
import { emailBackend } from 'nestjs-two-factor/backends/email';
import type { Transporter } from 'nodemailer';

import { PhoneDetails } from '../accounts/phone.js';
import type { User } from '../accounts/user.entity.js';
import { clientAddress } from '../http/client-address.js';
import type { HttpRequest } from '../http/http.js';
import { Refusal } from '../http/problem.js';
import { InjectMailTransport } from '../mail/mail.module.js';
import { FirstStepService } from '../sessions/first-step.service.js';
import { SessionService } from '../sessions/session.service.js';
import { InjectSettings, type Settings } from '../settings.js';
import { toCents } from '../transfers/money.js';
import { TransferDetails } from '../transfers/transfers.dto.js';
import { requestedDetails } from './details.js';
import { composeCodeMail } from './messages.js';

/** Which purposes there are, who may ask for a code, and where each code goes. */
@Injectable()
export class TwoFactorOptionsService implements TwoFactorOptionsFactory {
  constructor(
    private readonly sessions: SessionService,
    private readonly firstSteps: FirstStepService,
    @InjectMailTransport() private readonly transport: Transporter,
    @InjectSettings() private readonly settings: Settings,
  ) {}

  createTwoFactorOptions(): TwoFactorModuleOptions {
    const { mailFrom, isDevelopment, twoFactorSecret } = this.settings;
    return {
      secret: twoFactorSecret,
      defaultSender: 'email',
      // The sender `sms` is the class SmsBackend.
      senders: {
        email: defineSender(emailBackend, {
          options: { transport: this.transport, from: mailFrom, compose: composeCodeMail },
          verboseName: 'E-mail',
        }),
      },
      limits: {
        // In development one person plays all customers. Production keeps the defaults.
        ...(isDevelopment && {
          sendsPerToken: [{ max: 60, perSeconds: 3_600 }],
          sendsPerRequester: [{ max: 60, perSeconds: 3_600 }],
        }),
        requester: async (context) =>
          (await this.#signedIn(context))?.id ?? clientAddress(requestOf(context)),
      },
      purposes: {
        // Open: it proves the address that the client names, and says nothing about any account.
        'sign-up': {},
        // For the user whose password this browser has just given. A session is no reason to ask for a sign-in code.
        login: {
          subject: async (context) => (await this.firstSteps.userOf(requestOf(context)))?.id,
          recipient: async (context, way) =>
            contactOf(await this.firstSteps.userOf(requestOf(context)), way),
        },
        // A step-up: the code goes to a contact that was registered before, never to the new number.
        'change-phone': this.#stepUp((context) => {
          requestedDetails(PhoneDetails, context);
        }),
        'change-password': this.#stepUp(),
        transfer: this.#stepUp((context, user) => {
          // Checked before a message is paid for. Whether the payee exists is only told for a confirmed transfer: a session
          // could otherwise be used to find out who has an account here.
          const { amount } = requestedDetails(TransferDetails, context);
          if (toCents(amount) <= user.balanceCents) return;
          throw new Refusal(422, 'not-enough-money', 'There is not enough money.');
        }),
        // The other half of `change-phone`: the code goes to the very number that it is about.
        'new-phone': {
          subject: async (context) => (await this.#signedIn(context))?.id,
          recipient: (context, way) => {
            const { phone } = requestedDetails(PhoneDetails, context);
            return way === 'sms' ? phone : null;
          },
        },
      },
    };
  }

  /** A purpose for the signed-in user, whose code goes to a registered contact. `check` refuses what cannot be done. */
  #stepUp(check: (context: ExecutionContext, user: User) => void = () => undefined) {
    return {
      subject: async (context: ExecutionContext) => (await this.#signedIn(context))?.id,
      recipient: async (context: ExecutionContext, way: string) => {
        const user = await this.#signedIn(context);
        if (user !== null) check(context, user);
        return contactOf(user, way);
      },
    };
  }

  #signedIn(context: ExecutionContext): Promise<User | null> {
    return this.sessions.userOf(requestOf(context));
  }
}

function requestOf(context: ExecutionContext): HttpRequest {
  return context.switchToHttp().getRequest<HttpRequest>();
}

function contactOf(user: User | null, way: string): string | null {
  if (user === null) return null;
  return way === 'sms' ? user.phone : user.email;
}
