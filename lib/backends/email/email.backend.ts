import { domainToASCII, domainToUnicode } from 'node:url';

import type { Transporter } from 'nodemailer';
import type { Options as SmtpOptions } from 'nodemailer/lib/smtp-transport/index.js';

import { isEmailAddress } from '../../confirmation/model/email-address.js';
import { checkMail, writeOrSendFailure } from '../../delivery/check-message.js';
import { TwoFactorConfigurationError, TwoFactorRecipientError } from '../../errors/index.js';
import { isOneLine, ONE_LINE_RULE } from '../../options/one-line.js';
import { refuseUnknown } from '../../options/validate.js';
import type { Delivery, SendFunction, SenderBackendFactoryInput } from '../../sender/index.js';
import { untilAborted } from '../../with-timeout.js';
import type { EmailMessage } from './email-message.js';
import { headersOf } from './headers.js';
import { mailError } from './mail-error.js';
import { isMailbox } from './mailbox.js';
import { smtpFaultOf } from './smtp-answer.js';

export type { EmailMessage } from './email-message.js';

/** Whatever sends a mail as nodemailer's transports do, such as `MailerService` of @nestjs-modules/mailer. */
export interface MailTransport {
  sendMail(mail: object): Promise<unknown>;
  /** Whether the server greets and takes the login. A transport of nodemailer has it. */
  verify?(): Promise<unknown>;
}

/** The options of an e-mail sender. */
export interface EmailOptions {
  /**
   * `smtp://user:password@host:587`, nodemailer's SMTP options, a transport of nodemailer, or `MailerService` of
   * @nestjs-modules/mailer.
   */
  readonly transport: string | SmtpOptions | MailTransport;
  /** The sender's address: `ACME Bank <no-reply@acme.example>`. */
  readonly from: string;
  /** The name of your product in the messages of this sender. @default the option `messages.product` */
  readonly product?: string | undefined;
  /**
   * Composes another message, for example what `delivery.render()` returns with headers of your own.
   * @default what `delivery.render()` returns
   */
  readonly compose?:
    ((delivery: Delivery<EmailOptions>) => EmailMessage | Promise<EmailMessage>) | undefined;
}

const MEMBERS = ['transport', 'from', 'product', 'compose'] satisfies (keyof EmailOptions)[];

/** Less than the default of `sendTimeoutMs`, so that the socket is closed before the call times out. */
const SOCKET_TIMEOUT_MS = 9_000;
/**
 * Less than `SOCKET_TIMEOUT_MS`, which also runs from the connection on. A connection that ends by this limit has not been greeted, so that
 * the server has no message; one that ends by the other limit may have it.
 */
const GREETING_TIMEOUT_MS = 8_000;

/**
 * Creates a sender that sends codes by e-mail, through nodemailer. A code by e-mail proves an address; it is no out-of-band
 * authenticator (NIST SP 800-63B-4 3.1.3.1, ASVS 5.0 6.3.6).
 *
 * @throws TwoFactorConfigurationError at boot without `transport`, with a `from` that is not one address, with an unknown option, or
 * without the package nodemailer.
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
  const { transport, from, product, compose } = checkedOptions(input);
  const own = isTransporter(transport) ? null : await createTransporter(transport);
  const transporter: MailTransport = own ?? (transport as MailTransport);
  const domain = domainOf(from);
  const send: SendFunction<EmailOptions> = async (delivery) => {
    const { signal, idempotencyKey } = delivery;
    // The form in which a mail system should write an address (RFC 6532 3.1): a server compares octets, and knows no other one.
    const token = delivery.token.normalize('NFC');
    if (!isEmailAddress(token))
      throw new TwoFactorRecipientError('The token is not a plain e-mail address.');
    const address = withMappedHost(token);
    const message = compose
      ? await writeOrSendFailure(() => compose(delivery))
      : await rendered(delivery, product);
    checkMail(message, delivery.code, `The compose of sender ${delivery.name}`);
    const mail = {
      ...message,
      // A message that was composed with further recipients must not carry the code to them.
      cc: undefined,
      bcc: undefined,
      envelope: undefined,
      raw: undefined,
      headers: headersOf(delivery.name, message.headers),
      // Equal in all tries, so that a mailbox that has the message can drop its copy.
      messageId: `<${idempotencyKey}@${domain}>`,
      from,
      // An object, because a string would be parsed as a list of addresses.
      to: { name: '', address },
      disableFileAccess: true,
      disableUrlAccess: true,
      signal,
    };
    signal.throwIfAborted();
    try {
      // nodemailer before version 10.5 ignores the signal; there the call ends at the abort, and the message may still leave.
      await untilAborted(signal, () => transporter.sendMail(mail));
    } catch (error) {
      throw mailError(error, delivery);
    }
  };
  const ping = async (signal: AbortSignal): Promise<unknown> => {
    try {
      return await untilAborted(signal, () => transporter.verify!());
    } catch (error) {
      // A server that limits its connections answers, and takes the messages that have one.
      if (error instanceof Error && smtpFaultOf(error) === 'rate') return true;
      throw error;
    }
  };
  Object.assign(send, {
    tokenKind: 'email',
    ping: typeof transporter.verify === 'function' ? ping : undefined,
  });
  if (own === null) return send;
  // The idle connections of a pool would keep the process alive. A transport of the application is the application's to close.
  return Object.assign(send, { onApplicationShutdown: () => own.close() });
}

const BEYOND_ASCII = /\P{ASCII}/u;

/**
 * The address at the host that its domain stands for (UTS 46), which is the host in `state.token`. nodemailer before version 9.1 encodes
 * the letters of a domain as they are, so that a long s or a full-width letter in it would lead to a host of another owner.
 */
function withMappedHost(token: string): string {
  const at = token.lastIndexOf('@') + 1;
  const domain = token.slice(at);
  if (!BEYOND_ASCII.test(domain)) return token;
  return token.slice(0, at) + domainToUnicode(domainToASCII(domain.normalize('NFKC')));
}

/** The domain of a checked `from`, which ends by `@domain` or `@domain>`. */
function domainOf(from: string): string {
  const end = from.endsWith('>') ? from.length - 1 : from.length;
  return from.slice(from.lastIndexOf('@') + 1, end).trim();
}

async function rendered({ render }: Delivery, product: string | undefined): Promise<EmailMessage> {
  const { subject, text, html } = await render({ product });
  return { subject, text, html };
}

function checkedOptions({ name, options }: SenderBackendFactoryInput<EmailOptions>): EmailOptions {
  const given = (options ?? {}) as Partial<EmailOptions>;
  if (!given.transport || typeof given.from !== 'string' || given.from === '') {
    throw new TwoFactorConfigurationError(
      `Sender ${name} needs the options transport and from. Write options: { transport: 'smtp://...', from: '...' }.`,
    );
  }
  refuseUnknown(`option of sender ${name}:`, given, MEMBERS);
  const { transport, from, product = '' } = given;
  if (typeof transport === 'string' ? !isSmtpUrl(transport) : typeof transport !== 'object') {
    // The value is left out, because it may have the password.
    throw new TwoFactorConfigurationError(
      `The option transport of sender ${name} is no address of a mail server: write 'smtp://user:password@host:587', with reserved ` +
        'characters of the password in their percent-encoded form, or give an object of SMTP options.',
    );
  }
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

/**
 * Whether nodemailer reads the text as the address of a server. It takes any text, and for `mail.example.com` without a scheme, or a
 * password with a slash in it, it would connect to another host than the text names, at the first mail and not at boot.
 */
function isSmtpUrl(text: string): boolean {
  if (!URL.canParse(text)) return false;
  const { protocol, hostname, pathname, search, hash } = new URL(text);
  // A slash, a number sign or a question mark in a password ends the host early. What is behind it would be a path or a fragment, which no
  // server has, or options of nodemailer, in which the host stands behind an at sign.
  const isWhole = (pathname === '' || pathname === '/') && !search.includes('@') && hash === '';
  return (protocol === 'smtp:' || protocol === 'smtps:') && hostname !== '' && isWhole;
}

function isTransporter(transport: EmailOptions['transport']): transport is MailTransport {
  return (
    typeof transport === 'object' &&
    'sendMail' in transport &&
    typeof transport.sendMail === 'function'
  );
}

async function createTransporter(transport: string | SmtpOptions): Promise<Transporter> {
  const { createTransport } = await loadNodemailer();
  const timeouts = {
    connectionTimeout: GREETING_TIMEOUT_MS,
    greetingTimeout: GREETING_TIMEOUT_MS,
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
