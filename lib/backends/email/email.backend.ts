import type { Transporter } from 'nodemailer';
import type { Options as SmtpOptions } from 'nodemailer/lib/smtp-transport/index.js';

import { isEmailAddress } from '../../confirmation/model/email-address.js';
import { TwoFactorConfigurationError, TwoFactorRecipientError } from '../../errors/index.js';
import { isOneLine, ONE_LINE_RULE } from '../../options/one-line.js';
import type { Delivery, SendFunction, SenderBackendFactoryInput } from '../../sender/index.js';
import { untilAborted } from '../../with-timeout.js';
import { composeEmail, type EmailMessage } from './compose.js';
import { headersOf } from './headers.js';
import { mailError } from './mail-error.js';
import { isMailbox } from './mailbox.js';

export type { EmailMessage } from './compose.js';

/** The options of an e-mail sender. */
export interface EmailOptions {
  /** `smtp://user:password@host:587`, nodemailer's SMTP options, or a transport of nodemailer. */
  readonly transport: string | SmtpOptions | Transporter;
  /** The sender's address: `ACME Bank <no-reply@acme.example>`. */
  readonly from: string;
  /** The name of your product in the default message. @default 'our service' */
  readonly product?: string | undefined;
  /** Composes another message, for example in the language of `delivery.context`. @default a message in English */
  readonly compose?:
    ((delivery: Delivery<EmailOptions>) => EmailMessage | Promise<EmailMessage>) | undefined;
}

/** Less than the default of `sendTimeoutMs`, so that the socket is closed before the call times out. */
const SOCKET_TIMEOUT_MS = 9_000;

/**
 * Creates a sender that sends codes by e-mail, through nodemailer. A code by e-mail proves an address; it is no out-of-band
 * authenticator (NIST SP 800-63B-4 3.1.3.1, ASVS 5.0 6.3.6).
 *
 * @throws TwoFactorConfigurationError at boot without `transport`, with a `from` that is not one address, or without the package
 * nodemailer.
 *
 * @example
 * ```ts
 * senders: {
 *   email: defineSender(emailBackend, {
 *     options: { transport: 'smtp://localhost:1025', from: 'ACME <no-reply@acme.example>', product: 'ACME' },
 *   }),
 * }
 * ```
 * @publicApi
 */
export async function emailBackend(
  input: SenderBackendFactoryInput<EmailOptions>,
): Promise<SendFunction<EmailOptions>> {
  const { transport, from, product, compose } = checked(input);
  const transporter = isTransporter(transport) ? transport : await createTransporter(transport);
  const send: SendFunction<EmailOptions> = async (delivery) => {
    const { token, signal } = delivery;
    if (!isEmailAddress(token))
      throw new TwoFactorRecipientError('The token is not a plain e-mail address.');
    const message = compose ? await compose(delivery) : composeEmail(delivery, product);
    if (!isOneLine(message.subject)) {
      throw new TwoFactorConfigurationError(
        `The compose of sender ${delivery.name} made a subject that is not ${ONE_LINE_RULE}. Leave what is not yours out of it.`,
      );
    }
    const mail = {
      ...message,
      // A message that was composed with further recipients must not carry the code to them.
      cc: undefined,
      bcc: undefined,
      envelope: undefined,
      raw: undefined,
      headers: headersOf(delivery.name, message.headers),
      from,
      // An object, because a string would be parsed as a list of addresses.
      to: { name: '', address: token },
      disableFileAccess: true,
      disableUrlAccess: true,
    };
    signal.throwIfAborted();
    try {
      // nodemailer takes no signal: the call ends at the abort, and the socket at its own time-out.
      await untilAborted(signal, () => transporter.sendMail(mail));
    } catch (error) {
      throw mailError(error, delivery);
    }
  };
  if (isTransporter(transport)) return send;
  // The idle connections of a pool would keep the process alive. A transport of the application is the application's to close.
  return Object.assign(send, { onApplicationShutdown: () => transporter.close() });
}

function checked({ name, options }: SenderBackendFactoryInput<EmailOptions>): EmailOptions {
  const given = (options ?? {}) as Partial<EmailOptions>;
  if (!given.transport || typeof given.from !== 'string' || given.from === '') {
    throw new TwoFactorConfigurationError(
      `Sender ${name} needs the options transport and from. Write options: { transport: 'smtp://...', from: '...' }.`,
    );
  }
  const { from, product = '' } = given;
  if (!isOneLine(from) || typeof product !== 'string' || !isOneLine(product)) {
    throw new TwoFactorConfigurationError(
      `The options from and product of sender ${name} stand in each message. Give texts of ${ONE_LINE_RULE}.`,
    );
  }
  if (!isMailbox(from)) {
    throw new TwoFactorConfigurationError(
      `The option from of sender ${name} is ${JSON.stringify(from)}, which is not one address: write 'Name <address>' or an ` +
        'address alone, and set a name with a comma in double quotes.',
    );
  }
  return given as EmailOptions;
}

function isTransporter(transport: EmailOptions['transport']): transport is Transporter {
  return (
    typeof transport === 'object' &&
    'sendMail' in transport &&
    typeof transport.sendMail === 'function'
  );
}

async function createTransporter(transport: string | SmtpOptions): Promise<Transporter> {
  const { createTransport } = await loadNodemailer();
  const timeouts = {
    connectionTimeout: SOCKET_TIMEOUT_MS,
    greetingTimeout: SOCKET_TIMEOUT_MS,
    socketTimeout: SOCKET_TIMEOUT_MS,
  };
  return createTransport({
    ...timeouts,
    ...(typeof transport === 'string' ? { url: transport } : transport),
  });
}

async function loadNodemailer(): Promise<typeof import('nodemailer')> {
  try {
    return await import('nodemailer');
  } catch (cause) {
    throw new TwoFactorConfigurationError(
      'The e-mail backend needs the package nodemailer: install it with "npm install nodemailer".',
      { cause },
    );
  }
}
