import type { SmtpFault } from '../../lib/backends/email/smtp-answer.js';
import type { SmtpStep } from './scripted-smtp-server.js';

export const RECIPIENT = 'ann@example.com';
export const SENDER_ADDRESS = 'no-reply@acme.example';

/** One answer of a real server: at which command, its lines, and what it means. */
export type SmtpAnswerRow = readonly [
  server: string,
  step: SmtpStep,
  answer: string,
  fault: SmtpFault,
];

/** Answers as the servers write them; the addresses, hosts and ids are replaced. */
export const SMTP_ANSWERS: readonly SmtpAnswerRow[] = [
  // Postfix. It answers most refusals at RCPT TO (smtpd_delay_reject), also those that are about the client or the sender.
  [
    'Postfix',
    'RCPT',
    `550 5.1.1 <${RECIPIENT}>: Recipient address rejected: User unknown in local recipient table`,
    'recipient',
  ],
  [
    'Postfix',
    'RCPT',
    `550 5.1.1 <${RECIPIENT}>: Recipient address rejected: User unknown in relay recipient table`,
    'recipient',
  ],
  [
    'Postfix',
    'RCPT',
    `550 5.1.2 <${RECIPIENT}>: Recipient address rejected: Domain not found`,
    'recipient',
  ],
  [
    'Postfix',
    'RCPT',
    `556 5.1.10 <${RECIPIENT}>: Recipient address rejected: Domain example.com does not accept mail (nullMX)`,
    'recipient',
  ],
  ['Postfix', 'RCPT', `554 5.7.1 <${RECIPIENT}>: Relay access denied`, 'relaying'],
  ['Postfix', 'RCPT', `454 4.7.1 <${RECIPIENT}>: Relay access denied`, 'transient'],
  [
    'Postfix',
    'RCPT',
    `550 5.1.8 <${SENDER_ADDRESS}>: Sender address rejected: Domain not found`,
    'sender',
  ],
  [
    'Postfix',
    'RCPT',
    `550 5.1.0 <${SENDER_ADDRESS}>: Sender address rejected: User unknown in virtual mailbox table`,
    'sender',
  ],
  [
    'Postfix',
    'RCPT',
    `553 5.7.1 <${SENDER_ADDRESS}>: Sender address rejected: not logged in`,
    'sender',
  ],
  [
    'Postfix',
    'RCPT',
    '554 5.7.1 Service unavailable; Client host [192.0.2.7] blocked using zen.spamhaus.org',
    'policy',
  ],
  [
    'Postfix',
    'RCPT',
    `450 4.2.0 <${RECIPIENT}>: Recipient address rejected: Greylisted, see http://postgrey.schweikert.ch/help/example.com.html`,
    'transient',
  ],
  ['Postfix', 'RCPT', '552 5.2.2 <ann@example.com>: user is over quota', 'recipient'],
  ['Postfix', 'RCPT', '503 5.5.1 Error: need MAIL command', 'protocol'],
  ['Postfix', 'MAIL', '530 5.7.0 Must issue a STARTTLS command first', 'login'],
  ['Postfix', 'MAIL', '452 4.3.1 Insufficient system storage', 'transient'],
  ['Postfix', 'AUTH', '535 5.7.8 Error: authentication failed: (reason unavailable)', 'login'],
  [
    'Postfix',
    'AUTH',
    '454 4.7.0 Temporary authentication failure: Connection lost to authentication server',
    'transient',
  ],
  [
    'Postfix',
    'GREETING',
    '421 4.7.0 mx.acme.example Error: too many connections from 192.0.2.7',
    'rate',
  ],
  [
    'Postfix',
    'END',
    '550 5.7.1 id=00000-01 - Rejected by next-hop MTA on relaying, message is SPAM',
    'policy',
  ],
  // Exchange Online.
  [
    'Exchange Online',
    'RCPT',
    `550 5.4.1 Recipient address rejected: Access denied. [DB5EUR03FT064.eop-EUR03.prod.protection.outlook.com]`,
    'recipient',
  ],
  [
    'Exchange Online',
    'RCPT',
    `550 5.1.10 RESOLVER.ADR.RecipientNotFound; Recipient ${RECIPIENT} not found by SMTP address lookup`,
    'recipient',
  ],
  [
    'Exchange Online',
    'RCPT',
    '550 5.7.54 SMTP; Unable to relay recipient in non-accepted domain',
    'relaying',
  ],
  [
    'Exchange Online',
    'RCPT',
    '550 5.7.708 Service unavailable. Access denied, traffic not accepted from this IP.',
    'policy',
  ],
  [
    'Exchange Online',
    'RCPT',
    `550 5.2.121 Recipient's per-hour message receive limit from specific sender was exceeded.`,
    'rate',
  ],
  [
    'Exchange Online',
    'AUTH',
    '535 5.7.139 Authentication unsuccessful, SmtpClientAuthentication is disabled for the Tenant.',
    'login',
  ],
  [
    'Exchange Online',
    'MAIL',
    '530 5.7.57 Client not authenticated to send mail. [AM0PR02CA0001.eurprd02.prod.outlook.com]',
    'login',
  ],
  [
    'Exchange Online',
    'END',
    `554 5.2.252 SendAsDenied; svc@acme.example not allowed to send as ${SENDER_ADDRESS}`,
    'sender',
  ],
  ['Exchange Online', 'END', '550 5.1.8 Access denied, bad outbound sender AS(42004)', 'sender'],
  [
    'Exchange Online',
    'END',
    "550 5.1.90 Your message can't be sent because you've reached your daily limit for message recipients",
    'rate',
  ],
  [
    'Exchange Online',
    'END',
    '432 4.3.2 Concurrent connections limit exceeded. Visit https://aka.ms/concurrent_sending for more information.',
    'rate',
  ],
  // Gmail, at first as the recipient's server, then as the one that sends for us.
  [
    'Gmail',
    'RCPT',
    "550-5.1.1 The email account that you tried to reach does not exist. Please try\r\n550-5.1.1 double-checking the recipient's email address for typos or\r\n550 5.1.1 unnecessary spaces. For more information, go to https://support.google.com/mail/?p=NoSuchUser - gsmtp",
    'recipient',
  ],
  [
    'Gmail',
    'RCPT',
    '550-5.2.1 The email account that you tried to reach is inactive. For more\r\n550 5.2.1 information, go to https://support.google.com/mail/?p=DisabledUser - gsmtp',
    'recipient',
  ],
  [
    'Gmail',
    'RCPT',
    "552-5.2.2 The recipient's inbox is out of storage space and inactive. Please\r\n552 5.2.2 direct the recipient to https://support.google.com/mail/?p=OverQuotaPerm - gsmtp",
    'recipient',
  ],
  [
    'Gmail',
    'RCPT',
    '450-4.2.1 The user you are trying to contact is receiving email at a rate that\r\n450 4.2.1 prevents additional messages from being delivered. - gsmtp',
    'rate',
  ],
  [
    'Gmail',
    'END',
    '550-5.7.26 Your email has been blocked because the sender is unauthenticated.\r\n550 5.7.26 Gmail requires all senders to authenticate with either SPF or DKIM. - gsmtp',
    'policy',
  ],
  [
    'Gmail',
    'END',
    '421-4.7.28 Gmail has detected an unusual rate of unsolicited mail originating from\r\n421 4.7.28 your DKIM domain [acme.example 36]. - gsmtp',
    'rate',
  ],
  [
    'Gmail',
    'END',
    '550 5.4.5 Daily user sending limit exceeded. For more information on Gmail sending limits go to https://support.google.com/a/answer/166852 - gsmtp',
    'rate',
  ],
  [
    'Gmail',
    'AUTH',
    '535-5.7.8 Username and Password not accepted. For more information, go to\r\n535 5.7.8  https://support.google.com/mail/?p=BadCredentials - gsmtp',
    'login',
  ],
  [
    'Gmail',
    'AUTH',
    '534-5.7.9 Application-specific password required. For more information, go to\r\n534 5.7.9  https://support.google.com/mail/?p=InvalidSecondFactor - gsmtp',
    'login',
  ],
  [
    'Gmail',
    'MAIL',
    '555 5.5.2 Syntax error, goodbye. For more information, go to https://support.google.com/a/answer/3221692 - gsmtp',
    'protocol',
  ],
  // Amazon SES. It sends no enhanced codes.
  ['Amazon SES', 'AUTH', '535 Authentication Credentials Invalid', 'login'],
  ['Amazon SES', 'MAIL', '530 Authentication required', 'login'],
  ['Amazon SES', 'MAIL', '501 Invalid MAIL FROM address provided', 'sender'],
  [
    'Amazon SES',
    'END',
    `554 Message rejected: Email address is not verified. The following identities failed the check in region EU-WEST-1: ${RECIPIENT}`,
    'policy',
  ],
  [
    'Amazon SES',
    'END',
    '554 Message rejected: Sending paused for this account. For more information, please check the inbox of the email address associated with your AWS account.',
    'policy',
  ],
  ['Amazon SES', 'END', '454 Throttling failure: Maximum sending rate exceeded.', 'rate'],
  ['Amazon SES', 'END', '454 Throttling failure: Daily message quota exceeded.', 'rate'],
  ['Amazon SES', 'END', '451 Temporary service failure', 'transient'],
  // Servers without enhanced codes, and one that writes them at the end.
  ['Exim', 'RCPT', '550 relay not permitted', 'relaying'],
  ['Exim', 'RCPT', '550 Unrouteable address', 'recipient'],
  ['Exim', 'RCPT', '550 Sender verify failed', 'sender'],
  ['Exim', 'RCPT', '550 Your host is blocked by our policy', 'policy'],
  [
    'qmail',
    'RCPT',
    "553 sorry, that domain isn't in my list of allowed rcpthosts (#5.7.1)",
    'relaying',
  ],
  ['qmail', 'RCPT', '550 sorry, no mailbox here by that name: ann (#5.1.1)', 'recipient'],
];
