/**
 * What an SMTP server's answer says about the cause.
 *
 * - `recipient`: this address can never be reached.
 * - `login`, `sender`, `relaying`, `protocol`, `policy`: the server refuses us. Another recipient would be refused as well, so
 *   the caller must not learn that the address is wrong.
 * - `rate`: the server limits how much is sent. `transient`: the server or the network failed for the moment.
 */
export type SmtpFault =
  'recipient' | 'login' | 'sender' | 'relaying' | 'protocol' | 'policy' | 'rate' | 'transient';

/** The members of nodemailer's errors that are read. */
export interface SmtpError {
  /** nodemailer's own name of the failure. */
  readonly code?: unknown;
  /** The name by Node or OpenSSL of a failure that nodemailer calls `ESOCKET`. */
  readonly originalCode?: unknown;
  /** The command that failed: `CONN`, `EHLO`, `AUTH PLAIN`, `MAIL FROM`, `RCPT TO`, `DATA`. */
  readonly command?: unknown;
  readonly response?: unknown;
  readonly responseCode?: unknown;
  /** The call of the operating system that failed. */
  readonly syscall?: unknown;
  /** Since nodemailer 10.1: which of its time limits has ended. */
  readonly timeoutType?: unknown;
  /** The failures of several addresses of one host. */
  readonly errors?: unknown;
}

interface Answer {
  readonly command: string;
  /** The reply code of RFC 5321, such as 550. */
  readonly code: number;
  readonly text: string;
  /** The enhanced status code of RFC 3463, such as 5.1.1; `null` when the server sent none. */
  readonly status: Status | null;
}

interface Status {
  readonly class: number;
  readonly subject: number;
  readonly detail: number;
}

/** The characters of a server's answer that are searched for a status. */
const MAX_READ = 1_000;
/** `550 5.1.1 ...`, and qmail's `550 ... (#5.1.1)`. */
const ENHANCED = /^\d{3}[ -]([245])\.(\d{1,3})\.(\d{1,3})(?!\d)|\(#([245])\.(\d{1,3})\.(\d{1,3})\)/;
/** The login is missing, too weak or wrong (RFC 4954 6). */
const LOGIN_CODES: ReadonlySet<number> = new Set([530, 534, 535, 538]);
const LOGIN_DETAILS: ReadonlySet<number> = new Set([8, 9, 11, 57, 139]);
/** Syntax, sequence, and parameters that are not implemented (RFC 5321 4.2.2, RFC 1845). */
const PROTOCOL_CODES: ReadonlySet<number> = new Set([500, 501, 502, 503, 504, 555]);
/** What a server answers about a mailbox (RFC 5321 4.2.2, RFC 7504). */
const MAILBOX_CODES: ReadonlySet<number> = new Set([550, 551, 552, 553, 556]);
/** Permanent codes that limit a rate: Exchange Online's own, and Gmail's `5.4.5` and `5.7.28`. */
const RATE_STATUSES: ReadonlySet<string> = new Set([
  '1.90',
  '2.121',
  '2.122',
  '4.5',
  '7.28',
  '7.232',
  '7.233',
]);
/** Exchange Online: the account may not send as this address. */
const SEND_AS_STATUSES: ReadonlySet<string> = new Set(['2.252', '7.60']);

// Servers answer one code for several causes, between which the words of the answer decide.
const RATE_WORDS =
  /\b(?:throttl|rate (?:of|that|limit)|sending (?:rate|limit|quota)|message quota|thread limit|too quickly|too many (?:concurrent|connections|messages|emails|login)|concurrent connections)/i;
/** Exchange Online answers 5.2.2 for the quota of the account that sends, too, which is the code of a full mailbox. */
const OWN_QUOTA_WORDS = /\bsubmission ?quota/i;
const RELAY_WORDS =
  /\brelay(?:ing)? (?:access )?(?:is )?(?:denied|not (?:allowed|permitted)|prohibited)|\b(?:unable|cannot|not (?:allowed|permitted)) to relay|\bdo not relay|\brcpthosts\b/i;
const SENDER_WORDS =
  /\bsender (?:address|domain|verify|is not)|\bsend ?as\b|SendAsDenied|outbound sender/i;
const POLICY_WORDS =
  /\b(?:spam|blocked|black ?list|block ?list|dnsbl|spf|dkim|dmarc|policy|reputation|authenticat|auth required)/i;

/** The cause of a failure of nodemailer: by the enhanced code first, then by the reply code, and by the command that failed. */
export function smtpFaultOf(error: Error): SmtpFault {
  const { code, command } = error as SmtpError;
  const answer = answerOf(error);
  // `API` is nodemailer itself: the transport has no user or no password.
  if (answer === null) return code === 'EAUTH' && command === 'API' ? 'login' : 'transient';
  const { status, text } = answer;
  const isLimited = OWN_QUOTA_WORDS.test(text) || (RATE_WORDS.test(text) && !isMailboxFull(status));
  if (answer.code < 500 || status?.class === 4) return isLimited ? 'rate' : 'transient';
  if (isLimited || (status !== null && RATE_STATUSES.has(nameOf(status)))) return 'rate';
  if (answer.command.startsWith('AUTH') || LOGIN_CODES.has(answer.code)) return 'login';
  const fault = (status === null ? null : faultOfStatus(status, answer)) ?? faultOfCode(answer);
  return fault === 'recipient' ? recipientOrOwnFault(answer) : fault;
}

function answerOf(error: Error): Answer | null {
  const { command, response, responseCode } = error as SmtpError;
  if (typeof responseCode !== 'number') return null;
  const text = typeof response === 'string' ? response.slice(0, MAX_READ) : '';
  return {
    command: typeof command === 'string' ? command : '',
    code: responseCode,
    text,
    status: statusOf(text),
  };
}

function statusOf(text: string): Status | null {
  const match = ENHANCED.exec(text);
  if (match === null) return null;
  const [, first = match[4], second = match[5], third = match[6]] = match;
  return { class: Number(first), subject: Number(second), detail: Number(third) };
}

function nameOf({ subject, detail }: Status): string {
  return `${subject}.${detail}`;
}

/** Whether the mailbox of the recipient is full, also where the server calls that an exceeded quota. */
function isMailboxFull(status: Status | null): boolean {
  return status?.subject === 2 && status.detail === 2;
}

/** The fault that the subject of the enhanced code (RFC 3463 3) names; `null` where it names none. */
function faultOfStatus(status: Status, { text }: Answer): SmtpFault | null {
  if (SEND_AS_STATUSES.has(nameOf(status))) return 'sender';
  const { subject, detail } = status;
  switch (subject) {
    case 1:
      return detail === 7 || detail === 8 ? 'sender' : 'recipient';
    case 2:
      // 5.2.3: the message is too long.
      return detail === 3 ? 'policy' : 'recipient';
    case 3:
      return 'policy';
    case 4:
      return 'recipient';
    case 5:
      // 5.5.0 says nothing: Outlook.com answers it for an address that does not exist, with a reply code that says so.
      return detail === 0 ? null : 'protocol';
    case 6:
      // 5.6.7: the address is not ASCII, and the server cannot pass it on (RFC 6531 4.2).
      return detail === 7 ? 'recipient' : 'policy';
    case 7:
      return securityFault(detail, text);
    default:
      return null;
  }
}

function securityFault(detail: number, text: string): SmtpFault {
  // 5.7.17 and 5.7.18: the mailbox or its domain has another owner now (RFC 7293).
  if (detail === 17 || detail === 18) return 'recipient';
  if (LOGIN_DETAILS.has(detail)) return 'login';
  if (detail === 54 || RELAY_WORDS.test(text)) return 'relaying';
  return SENDER_WORDS.test(text) ? 'sender' : 'policy';
}

function faultOfCode({ command, code }: Answer): SmtpFault {
  if (command === 'MAIL FROM') return code === 501 || MAILBOX_CODES.has(code) ? 'sender' : 'policy';
  // This command consists of the address, so that 501 (wrong syntax) is about the address and not about what this package sends.
  if (command === 'RCPT TO' && code === 501) return 'recipient';
  if (PROTOCOL_CODES.has(code)) return 'protocol';
  return command === 'RCPT TO' && MAILBOX_CODES.has(code) ? 'recipient' : 'policy';
}

/** An answer about an address is about the recipient's only at certain commands, and only when its words name no other cause. */
function recipientOrOwnFault({ command, status, text }: Answer): SmtpFault {
  if (command === 'MAIL FROM' || SENDER_WORDS.test(text)) return 'sender';
  if (RELAY_WORDS.test(text)) return 'relaying';
  if (command !== 'RCPT TO' && command !== 'DATA') return 'policy';
  return status === null && POLICY_WORDS.test(text) ? 'policy' : 'recipient';
}
