import { domainToASCII } from 'node:url';

import { describeThrown, redact } from '../../delivery/redact.js';
import { TwoFactorError, TwoFactorRecipientError } from '../../errors/index.js';
import { SendFailure, type Delivery } from '../../sender/index.js';
import { smtpFaultOf, type SmtpError, type SmtpFault } from './smtp-answer.js';

/** What the server refuses, and the remedy. Before the server's words, because a long line is shortened at its end. */
const OWN_FAULT_TEXTS: Readonly<
  Record<Exclude<SmtpFault, 'recipient' | 'rate' | 'transient'>, string>
> = {
  login: 'the login. Check user, password and encryption in its option transport',
  sender: 'the address in its option from. Give one that this server accepts from this account',
  relaying:
    'to pass mail on for this account. Give a login in its option transport, or permit relaying',
  protocol: 'a command. Check host, port and encryption in its option transport',
  policy: 'the message by a rule of its own. Check what it permits this account to send',
};

/**
 * The error that the e-mail backend throws for a failure of the transport. The recipient is blamed only for what is wrong with
 * the address: a wrong password would otherwise make each caller believe that the address does not exist.
 */
export function mailError(thrown: unknown, delivery: Delivery): unknown {
  // A transport of the application may have decided already.
  if (!(thrown instanceof Error)) return thrown;
  if (thrown instanceof TwoFactorError || thrown instanceof SendFailure) return thrown;
  const words = wordsWithoutAddress(thrown, delivery);
  const fault = isNonAsciiAddressRefused(thrown, delivery) ? 'recipient' : smtpFaultOf(thrown);
  switch (fault) {
    case 'recipient':
      return new TwoFactorRecipientError('The mail server refuses this address.', {
        cause: new Error(words),
      });
    case 'rate':
      return new SendFailure(
        'rate-limited',
        `The mail server limits how much may be sent. It answered: ${words}`,
      );
    case 'transient':
      return new SendFailure('transient', words, {
        mayHaveArrived: !isRefusal(thrown) && !hasNoSession(thrown),
        concernsAll:
          hasNoSession(thrown) || (isRefusal(thrown) && isBeforeRecipient(thrown, delivery)),
      });
    default:
      return new SendFailure(
        'ours',
        `The mail server of sender ${delivery.name} refuses ${OWN_FAULT_TEXTS[fault]}. It answered: ${words}`,
        {
          concernsAll:
            (fault === 'login' || fault === 'protocol') && isBeforeRecipient(thrown, delivery),
        },
      );
  }
}

/** nodemailer's codes for a host without an address, a proxy that refuses, and failures of encryption and of the login. */
const NO_SESSION_CODES: ReadonlySet<unknown> = new Set(['EDNS', 'EPROXY', 'ETLS', 'EAUTH']);
/** The system calls that come before a connection. */
const CONNECTING: ReadonlySet<unknown> = new Set(['connect', 'getaddrinfo']);
/** The time limits that end before the server has greeted, and before the connection is encrypted. */
const EARLY_TIMEOUTS: ReadonlySet<unknown> = new Set([
  'CONNECT_TIMEOUT',
  'GREETING_TIMEOUT',
  'UPGRADE_TIMEOUT',
]);
/** The same before nodemailer 10.1, which names no time limit. */
const EARLY_TIMEOUT_MESSAGES: ReadonlySet<string> = new Set([
  'Connection timeout',
  'Greeting never received',
]);

/**
 * The beginnings of the names by Node and OpenSSL for a certificate that is not trusted, and for a server that does not speak TLS. The
 * connection is not encrypted then, and nothing was sent.
 */
const TLS_FAILURE_CODES =
  /^(?:CERT_|DEPTH_ZERO_|SELF_SIGNED_|UNABLE_TO_|ERR_TLS_CERT_|ERR_SSL_WRONG_VERSION)/;
/** What nodemailer says of a server that answers a connection by anything but a greeting of SMTP. */
const NO_GREETING = 'Invalid greeting';

/**
 * Whether no connection to the server came about, so that nothing was sent and no recipient can be the cause. Only what proves that
 * counts: nodemailer names the command `CONN` for every socket that fails or falls silent, also while the server reads the message, or
 * while it asks the mail server of a stranger about the recipient.
 */
function hasNoSession(error: unknown): boolean {
  const { code, originalCode, syscall, timeoutType, responseCode, errors } = (error ??
    {}) as SmtpError;
  if (typeof responseCode === 'number') return false;
  if (Array.isArray(errors) && errors.length > 0) return errors.every(hasNoSession);
  return (
    NO_SESSION_CODES.has(code) ||
    CONNECTING.has(syscall) ||
    EARLY_TIMEOUTS.has(timeoutType) ||
    EARLY_TIMEOUT_MESSAGES.has((error as Error).message) ||
    TLS_FAILURE_CODES.test(String(originalCode ?? code)) ||
    (error as Error).message.startsWith(NO_GREETING)
  );
}

/**
 * Whether the server takes the recipient's address for a wrong command, because it has letters beyond ASCII and the server does not offer
 * SMTPUTF8 (RFC 6531 3.2). nodemailer sends such an address all the same. The account is in order then: were it blamed, one person with
 * such an address would stop the messages of a failover chain to all others.
 */
function isNonAsciiAddressRefused(error: Error, { token }: Delivery): boolean {
  const local = token.slice(0, token.lastIndexOf('@'));
  return isAboutRecipient(error) && BEYOND_ASCII.test(local) && smtpFaultOf(error) === 'protocol';
}

/** The commands that come before the one that names the recipient. */
const EARLY_COMMANDS = /^(?:EHLO|HELO|STARTTLS|AUTH|MAIL FROM)/;

/**
 * Whether the server has not been told the recipient, so that no recipient can be the cause. Later answers may be those of the mail server
 * of a stranger, which a relay passes on: one that answers `535` would otherwise stop the messages of a failover to all others. Before
 * that, only `MAIL FROM` depends on the recipient: it asks for SMTPUTF8 when the address has letters beyond ASCII.
 */
function isBeforeRecipient(error: Error, { token }: Delivery): boolean {
  const { code, command } = error as SmtpError;
  // No command of SMTP: nodemailer refuses by itself, with the code EAUTH for a transport without a password, and with another code for a
  // recipient.
  if (command === 'API') return code === 'EAUTH';
  if (command === 'MAIL FROM' && BEYOND_ASCII.test(token)) return false;
  return EARLY_COMMANDS.test(String(command)) || error.message.startsWith(NO_GREETING);
}

/** Whether the server refused the command that names the recipient. Such a refusal, and one by a rule, may be caused by the recipient. */
function isAboutRecipient(error: Error): boolean {
  return (error as SmtpError).command === 'RCPT TO';
}

/**
 * Whether the server has refused the message by a reply, or nodemailer has refused its addresses. A connection that ends within the reply
 * `250` has a reply code as well, and its message was accepted.
 */
function isRefusal(error: Error): boolean {
  const { code, responseCode } = error as SmtpError;
  return typeof responseCode === 'number' ? responseCode >= 400 : code === 'EENVELOPE';
}

const BEYOND_ASCII = /[\u0080-\uffff]/;
/** A shorter domain, such as `t.co`, is replaced only where it is a whole word, because its letters occur in other words by chance. */
const MIN_DOMAIN = 8;
/** Combining marks are part of a word: a Hindi or Thai name would be cut at each of them, and none of its parts be struck. */
const WORD = /[\p{L}\p{M}\p{N}!#$%&'*+=?^_`{|}~.-]+/gu;
const EDGE = "'`.*";

/**
 * The server's words without the code and the address. A server may write the domain in ASCII (`xn--...`), or name the two parts of
 * the address alone: `user ann unknown`.
 */
function wordsWithoutAddress(thrown: Error, { code, token }: Delivery): string {
  const at = token.lastIndexOf('@');
  const local = token.slice(0, at);
  const domain = token.slice(at + 1);
  // Empty for a domain that has no ASCII form.
  const domains = [domain, domainToASCII(domain) || domain];
  const addresses = domains.map((each) => `${local}@${each}`);
  const long = domains.filter(({ length }) => length >= MIN_DOMAIN);
  const parts = new Set([local, ...domains].map(normalForm));
  return redact(describeThrown(thrown), code, ...addresses, ...long).replaceAll(WORD, (word) => {
    const core = withoutOuterPunctuation(word);
    return parts.has(normalForm(core)) ? word.replace(core, '***') : word;
  });
}

/** A server may write an accent as one character where the address has two. */
function normalForm(part: string): string {
  return part.normalize('NFC').toLowerCase();
}

function withoutOuterPunctuation(word: string): string {
  let start = 0;
  let end = word.length;
  while (start < end && EDGE.includes(word[start]!)) start += 1;
  while (start < end && EDGE.includes(word[end - 1]!)) end -= 1;
  return word.slice(start, end);
}
