import { Injectable, Optional, type ExecutionContext } from '@nestjs/common';
import {
  defineSender,
  recoveryCodes,
  rememberedDevices,
  totp,
  type MethodDefinition,
  type TwoFactorModuleOptions,
  type TwoFactorOptionsFactory,
} from 'nestjs-two-factor';
import { emailBackend } from 'nestjs-two-factor/backends/email';
import { passkeys } from 'nestjs-two-factor/passkeys';
import type { Transporter } from 'nodemailer';

import { PhoneDetails } from '../accounts/phone.js';
import type { User } from '../accounts/user.entity.js';
import type { HttpRequest } from '../http/http.js';
import { Refusal } from '../http/problem.js';
import { InjectMailTransport } from '../mail/mail.module.js';
import { TextMessages } from '../notices/text-messages.js';
import { DeviceCookieService, REMEMBERED_DAYS } from '../sessions/device.service.js';
import { FirstStepService } from '../sessions/first-step.service.js';
import { SessionService } from '../sessions/session.service.js';
import { InjectSettings, type Settings } from '../settings.js';
import { AMOUNT, toCents } from '../transfers/money.js';
import { TransferDetails } from '../transfers/transfers.dto.js';
import { bodyOf, isRecord } from './details.js';
import { composeCodeMail } from './messages.js';
import { smsSender } from './sms-sender.js';

/** Which purposes there are, who may ask for a code, and where each code goes. */
@Injectable()
export class TwoFactorOptionsService implements TwoFactorOptionsFactory {
  constructor(
    private readonly sessions: SessionService,
    private readonly firstSteps: FirstStepService,
    private readonly devices: DeviceCookieService,
    @InjectMailTransport() private readonly transport: Transporter,
    @InjectSettings() private readonly settings: Settings,
    @Optional() private readonly textMessages?: TextMessages,
  ) {}

  createTwoFactorOptions(): TwoFactorModuleOptions {
    const { mailFrom, isDevelopment, twoFactorSecret, passkeyOrigin } = this.settings;
    const hasPasskeys = passkeyOrigin !== undefined;
    return {
      secret: twoFactorSecret,
      // A code leaves after the commit, and again when the provider fails, while its confirmation can still use it.
      delivery: 'queued',
      defaultSender: 'email',
      senders: {
        email: defineSender(emailBackend, {
          options: { transport: this.transport, from: mailFrom, compose: composeCodeMail },
          verboseName: 'E-mail',
        }),
        ...(this.textMessages && { sms: smsSender(this.textMessages.gateways) }),
      },
      // In development one person plays all customers. Production keeps the defaults. Strangers are counted by the address
      // of their request, which depends on TRUST_PROXY.
      ...(isDevelopment && {
        limits: {
          sendsPerToken: [{ max: 60, perSeconds: 3_600 }],
          sendsPerRequester: [{ max: 60, perSeconds: 3_600 }],
        },
      }),
      methods: this.#methods(),
      purposes: {
        // It proves the address that the client names, and says nothing about any account.
        'sign-up': { open: true, senders: ['email'] },
        // For the user whose password this browser has just given. A session is no reason to ask for a sign-in code.
        login: {
          subject: async (context) => (await this.firstSteps.userOf(requestOf(context)))?.id,
          recipient: async (context, way) =>
            contactOf(await this.firstSteps.userOf(requestOf(context)), way),
          // A remembered browser first, then what the customer has, the strongest first. The code stays, so that a customer who
          // has lost a device can still sign in.
          methods: [
            'device',
            ...(hasPasskeys ? (['passkey'] as const) : []),
            'totp',
            'code',
            'recovery',
          ],
        },
        // Step-ups: the code goes to a contact that was registered before, never to one that the client names.
        'change-phone': { subject: this.#subject, recipient: this.#contact, details: PhoneDetails },
        'change-password': { subject: this.#subject, recipient: this.#contact },
        transfer: {
          subject: this.#subject,
          recipient: async (context, way) => {
            await this.#refuseUnpayable(context);
            return this.#contact(context, way);
          },
          details: TransferDetails,
          // A passkey signs the amount and the payee. A customer who has one pays by no sent code; the app stays for the day on
          // which the passkey is not at hand. With neither, a recovery code removes the lost passkey, and codes pay again.
          methods: (_, enrolled) =>
            enrolled.includes('passkey') ? ['passkey', 'totp'] : ['totp', 'code'],
        },
        // Switches the routes `factors/...` on. A code adds the first app or passkey. Afterwards only what the customer has
        // enrolled, or a recovery code, proves a change.
        factors: { subject: this.#subject, recipient: this.#contact },
        // The other half of `change-phone`: the client names the number that it proves.
        ...(this.textMessages && {
          'new-phone': { subject: this.#subject, recipient: 'client' as const, senders: ['sms'] },
        }),
      },
    };
  }

  #methods(): MethodDefinition[] {
    const methods = [
      totp({ issuer: 'Sample Bank' }),
      recoveryCodes(),
      rememberedDevices({
        days: REMEMBERED_DAYS,
        token: (context) => this.devices.tokenOf(requestOf(context)),
      }),
    ];
    const { passkeyOrigin } = this.settings;
    if (passkeyOrigin === undefined) return methods;
    const rpId = new URL(passkeyOrigin).hostname;
    return [...methods, passkeys({ rpName: 'Sample Bank', rpId, origins: [passkeyOrigin] })];
  }

  readonly #subject = async (context: ExecutionContext): Promise<string | undefined> =>
    (await this.#signedIn(context))?.id;

  readonly #contact = async (context: ExecutionContext, way: string): Promise<string | null> =>
    contactOf(await this.#signedIn(context), way);

  /**
   * Refuses an amount that the account does not have before a message is paid for. Whether the payee exists is only told for
   * a confirmed transfer: a session could otherwise be used to find out who has an account here.
   */
  async #refuseUnpayable(context: ExecutionContext): Promise<void> {
    const user = await this.#signedIn(context);
    const { details } = bodyOf(context);
    const amount = isRecord(details) ? details['amount'] : undefined;
    // What is no amount is refused by the declared details.
    if (user === null || typeof amount !== 'string' || !AMOUNT.test(amount)) return;
    if (toCents(amount) <= user.balanceCents) return;
    throw new Refusal(422, 'not-enough-money', 'There is not enough money.');
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
