import type { SmtpFault } from '../../lib/backends/email/smtp-answer.js';
import type { SmtpStep } from './scripted-smtp-server.js';

export const RECIPIENT = 'ann@example.com';
export const SENDER_ADDRESS = 'no-reply@acme.example';

/** One answer of a real server: at which command, its lines, what it means, and where the vendor publishes it. */
export type SmtpAnswerRow = readonly [
  server: string,
  step: SmtpStep,
  answer: string,
  fault: SmtpFault,
  /** `null`: logs that others published have it, and no page or source of the vendor was found that does. */
  source: string | null,
];

const POSTFIX = 'https://www.postfix.org/';
/** The mirror of Postfix's source that its site names. */
const POSTFIX_SMTPD = 'https://github.com/vdukhovni/postfix/blob/master/postfix/src/smtpd/';
const EXIM = 'https://github.com/Exim/exim/blob/master/src/src/';
const EXCHANGE =
  'https://learn.microsoft.com/en-us/troubleshoot/exchange/email-delivery/ndr/non-delivery-reports-in-exchange-online';
const EXCHANGE_DEVICES =
  'https://learn.microsoft.com/en-us/troubleshoot/exchange/email-delivery/fix-issues-with-printers-scanners-and-lob-applications-that-send-email-using-off';
const GMAIL = 'https://support.google.com/a/answer/3726730';
const SES =
  'https://docs.aws.amazon.com/ses/latest/dg/troubleshoot-smtp.html#troubleshoot-smtp-response-codes';
const SES_501 = 'https://repost.aws/knowledge-center/ses-501-errors-smtp-endpoint';

/** Answers as the servers write them; the addresses, hosts and ids are replaced. */
export const SMTP_ANSWERS: readonly SmtpAnswerRow[] = [
  // Postfix. It answers most refusals at RCPT TO (smtpd_delay_reject), also those that are about the client or the sender.
  [
    'Postfix',
    'RCPT',
    `550 5.1.1 <${RECIPIENT}>: Recipient address rejected: User unknown in local recipient table`,
    'recipient',
    `${POSTFIX}LOCAL_RECIPIENT_README.html`,
  ],
  [
    'Postfix',
    'RCPT',
    `550 5.1.1 <${RECIPIENT}>: Recipient address rejected: User unknown in relay recipient table`,
    'recipient',
    `${POSTFIX}ADDRESS_CLASS_README.html`,
  ],
  [
    'Postfix',
    'RCPT',
    `450 4.1.2 <${RECIPIENT}>: Recipient address rejected: Domain not found`,
    'transient',
    `${POSTFIX_SMTPD}smtpd_check.c`,
  ],
  // With unknown_address_reject_code = 550.
  [
    'Postfix',
    'RCPT',
    `550 5.1.2 <${RECIPIENT}>: Recipient address rejected: Domain not found`,
    'recipient',
    `${POSTFIX_SMTPD}smtpd_check.c`,
  ],
  [
    'Postfix',
    'RCPT',
    `556 5.1.10 <${RECIPIENT}>: Recipient address rejected: Domain example.com does not accept mail (nullMX)`,
    'recipient',
    `${POSTFIX_SMTPD}smtpd_check.c`,
  ],
  [
    'Postfix',
    'RCPT',
    `554 5.7.1 <${RECIPIENT}>: Relay access denied`,
    'relaying',
    `${POSTFIX_SMTPD}smtpd_check.c`,
  ],
  [
    'Postfix',
    'RCPT',
    `454 4.7.1 <${RECIPIENT}>: Relay access denied`,
    'transient',
    `${POSTFIX_SMTPD}smtpd_check.c`,
  ],
  [
    'Postfix',
    'RCPT',
    `550 5.1.8 <${SENDER_ADDRESS}>: Sender address rejected: Domain not found`,
    'sender',
    `${POSTFIX_SMTPD}smtpd_check.c`,
  ],
  [
    'Postfix',
    'RCPT',
    `550 5.1.0 <${SENDER_ADDRESS}>: Sender address rejected: User unknown in virtual mailbox table`,
    'sender',
    `${POSTFIX_SMTPD}smtpd_check.c`,
  ],
  [
    'Postfix',
    'RCPT',
    `553 5.7.1 <${SENDER_ADDRESS}>: Sender address rejected: not logged in`,
    'sender',
    `${POSTFIX_SMTPD}smtpd_check.c`,
  ],
  [
    'Postfix',
    'RCPT',
    '554 5.7.1 Service unavailable; Client host [192.0.2.7] blocked using zen.spamhaus.org',
    'policy',
    `${POSTFIX}postconf.5.html#default_rbl_reply`,
  ],
  ['Postfix', 'RCPT', '503 5.5.1 Error: need MAIL command', 'protocol', `${POSTFIX_SMTPD}smtpd.c`],
  [
    'Postfix',
    'MAIL',
    '530 5.7.0 Must issue a STARTTLS command first',
    'login',
    `${POSTFIX_SMTPD}smtpd.c`,
  ],
  [
    'Postfix',
    'MAIL',
    '452 4.3.1 Insufficient system storage',
    'transient',
    `${POSTFIX_SMTPD}smtpd_check.c`,
  ],
  [
    'Postfix',
    'AUTH',
    '535 5.7.8 Error: authentication failed: (reason unavailable)',
    'login',
    `${POSTFIX_SMTPD}smtpd_sasl_glue.c`,
  ],
  [
    'Postfix',
    'AUTH',
    '454 4.7.0 Temporary authentication failure: Connection lost to authentication server',
    'transient',
    `${POSTFIX_SMTPD}smtpd_sasl_glue.c`,
  ],
  [
    'Postfix',
    'GREETING',
    '421 4.7.0 mx.acme.example Error: too many connections from 192.0.2.7',
    'rate',
    `${POSTFIX_SMTPD}smtpd.c`,
  ],
  [
    'Postgrey',
    'RCPT',
    `450 4.2.0 <${RECIPIENT}>: Recipient address rejected: Greylisted, see http://postgrey.schweikert.ch/help/example.com.html`,
    'transient',
    null,
  ],
  [
    'Dovecot',
    'RCPT',
    `552 5.2.2 <${RECIPIENT}>: Recipient address rejected: Mailbox is full`,
    'recipient',
    null,
  ],
  // Exchange Online.
  [
    'Exchange Online',
    'RCPT',
    '550 5.4.1 Recipient address rejected: Access denied. [DB5EUR03FT064.eop-EUR03.prod.protection.outlook.com]',
    'recipient',
    EXCHANGE,
  ],
  [
    'Exchange Online',
    'RCPT',
    `550 5.1.10 RESOLVER.ADR.RecipientNotFound; Recipient ${RECIPIENT} not found by SMTP address lookup`,
    'recipient',
    EXCHANGE,
  ],
  [
    'Exchange Online',
    'RCPT',
    '550 5.5.0 Requested action not taken: mailbox unavailable',
    'recipient',
    EXCHANGE,
  ],
  [
    'Exchange Online',
    'RCPT',
    '550 5.7.54 SMTP; Unable to relay recipient in non-accepted domain',
    'relaying',
    null,
  ],
  [
    'Exchange Online',
    'RCPT',
    '550 5.7.64 TenantAttribution; Relay Access Denied',
    'relaying',
    EXCHANGE,
  ],
  [
    'Exchange Online',
    'RCPT',
    '550 5.7.708 Service unavailable. Access denied, traffic not accepted from this IP.',
    'policy',
    EXCHANGE,
  ],
  [
    'Exchange Online',
    'RCPT',
    "550 5.2.121 Recipient's per hour message receive limit from specific sender exceeded.",
    'rate',
    EXCHANGE,
  ],
  ['Exchange Online', 'AUTH', '535 5.7.3 Authentication unsuccessful', 'login', EXCHANGE_DEVICES],
  [
    'Exchange Online',
    'AUTH',
    '535 5.7.139 Authentication unsuccessful, SmtpClientAuthentication is disabled for the Tenant.',
    'login',
    null,
  ],
  [
    'Exchange Online',
    'MAIL',
    '530 5.7.57 Client not authenticated to send mail. [AM0PR02CA0001.eurprd02.prod.outlook.com]',
    'login',
    EXCHANGE_DEVICES,
  ],
  [
    'Exchange Online',
    'END',
    '550 5.7.60 SMTP; Client does not have permissions to send as this sender',
    'sender',
    EXCHANGE_DEVICES,
  ],
  [
    'Exchange Online',
    'END',
    `554 5.2.252 SendAsDenied; svc@acme.example not allowed to send as ${SENDER_ADDRESS}`,
    'sender',
    null,
  ],
  ['Exchange Online', 'END', '550 5.1.8 Access denied, bad outbound sender', 'sender', EXCHANGE],
  [
    'Exchange Online',
    'END',
    "550 5.1.90 Your message can't be sent because you've reached your daily limit for message recipients",
    'rate',
    EXCHANGE,
  ],
  // The quota of the account that sends, and not that of the mailbox.
  ['Exchange Online', 'END', '550 5.2.2 Submission quota exceeded', 'rate', EXCHANGE],
  [
    'Exchange Online',
    'END',
    '432 4.3.2 STOREDRV.Deliver; recipient thread limit exceeded',
    'rate',
    EXCHANGE,
  ],
  [
    'Exchange Online',
    'END',
    '432 4.3.2 Concurrent connections limit exceeded. Visit https://aka.ms/concurrent_sending for more information.',
    'rate',
    null,
  ],
  [
    'Exchange Online',
    'END',
    '550 5.7.509 Access denied, sending domain [acme.example] does not pass DMARC verification',
    'policy',
    EXCHANGE,
  ],
  // Gmail, at first as the recipient's server, then as the one that sends for us.
  [
    'Gmail',
    'RCPT',
    "550-5.1.1 The email account that you tried to reach does not exist. Please try\r\n550-5.1.1 double-checking the recipient's email address for typos or\r\n550 5.1.1 unnecessary spaces. For more information, go to https://support.google.com/mail/?p=NoSuchUser - gsmtp",
    'recipient',
    null,
  ],
  [
    'Gmail',
    'RCPT',
    '550-5.2.1 The email account that you tried to reach is inactive. For more\r\n550 5.2.1 information, go to https://support.google.com/mail/?p=DisabledUser - gsmtp',
    'recipient',
    null,
  ],
  [
    'Gmail',
    'RCPT',
    "552-5.2.2 The recipient's inbox is out of storage space and inactive. Please\r\n552 5.2.2 direct the recipient to https://support.google.com/mail/?p=OverQuotaPerm - gsmtp",
    'recipient',
    null,
  ],
  [
    'Gmail',
    'RCPT',
    '450-4.2.1 The user you are trying to contact is receiving email at a rate that\r\n450 4.2.1 prevents additional messages from being delivered. - gsmtp',
    'rate',
    GMAIL,
  ],
  [
    'Gmail',
    'RCPT',
    '421 4.7.0 TLS required for RCPT domain, closing connection. - gsmtp',
    'transient',
    GMAIL,
  ],
  [
    'Gmail',
    'END',
    '421 4.3.0 Temporary System Problem. Try again later - gsmtp',
    'transient',
    GMAIL,
  ],
  [
    'Gmail',
    'END',
    '421 4.7.0 Our system has detected an unusual rate of unsolicited mail originating from your IP address. - gsmtp',
    'rate',
    GMAIL,
  ],
  [
    'Gmail',
    'END',
    '550-5.7.26 Your email has been blocked because the sender is unauthenticated.\r\n550 5.7.26 Gmail requires all senders to authenticate with either SPF or DKIM. - gsmtp',
    'policy',
    null,
  ],
  [
    'Gmail',
    'END',
    '550 5.4.5 Daily user sending limit exceeded. For more information on Gmail sending limits go to https://support.google.com/a/answer/166852 - gsmtp',
    'rate',
    null,
  ],
  [
    'Gmail',
    'AUTH',
    '535-5.7.8 Username and Password not accepted. For more information, go to\r\n535 5.7.8  https://support.google.com/mail/?p=BadCredentials - gsmtp',
    'login',
    null,
  ],
  [
    'Gmail',
    'AUTH',
    '534-5.7.9 Application-specific password required. For more information, go to\r\n534 5.7.9  https://support.google.com/mail/?p=InvalidSecondFactor - gsmtp',
    'login',
    null,
  ],
  [
    'Gmail',
    'MAIL',
    '555 5.5.2 Syntax error, goodbye. For more information, go to https://support.google.com/a/answer/3221692 - gsmtp',
    'protocol',
    null,
  ],
  // Amazon SES. It sends no enhanced codes.
  ['Amazon SES', 'AUTH', '535 Authentication Credentials Invalid', 'login', SES],
  ['Amazon SES', 'AUTH', '454 Temporary authentication failure', 'transient', SES],
  ['Amazon SES', 'MAIL', '530 Authentication required', 'login', SES],
  ['Amazon SES', 'MAIL', '501 Invalid MAIL FROM address provided', 'sender', SES_501],
  ['Amazon SES', 'RCPT', '501 Invalid RCPT TO address provided', 'recipient', SES_501],
  [
    'Amazon SES',
    'END',
    `554 Message rejected: Email address is not verified. The following identities failed the check in region EU-WEST-1: ${RECIPIENT}`,
    'policy',
    SES,
  ],
  [
    'Amazon SES',
    'END',
    '554 Access denied: User arn:aws:iam::111122223333:user/mail is not authorized to perform ses:SendRawEmail',
    'policy',
    SES,
  ],
  [
    'Amazon SES',
    'END',
    '554 Message rejected: Sending paused for this account. For more information, please check the inbox of the email address associated with your AWS account.',
    'policy',
    null,
  ],
  ['Amazon SES', 'END', '454 Throttling failure: Maximum sending rate exceeded.', 'rate', SES],
  ['Amazon SES', 'END', '454 Throttling failure: Daily message quota exceeded.', 'rate', SES],
  ['Amazon SES', 'END', '454 Temporary service failure', 'transient', SES],
  // Servers without enhanced codes, and one that writes them at the end.
  ['Exim', 'RCPT', '550 relay not permitted', 'relaying', `${EXIM}configure.default`],
  ['Exim', 'RCPT', '550 Unrouteable address', 'recipient', `${EXIM}route.c`],
  ['Exim', 'RCPT', '550 Sender verify failed', 'sender', `${EXIM}acl.c`],
  ['Exim', 'RCPT', '550 Your host is blocked by our policy', 'policy', null],
  [
    'qmail',
    'RCPT',
    "553 sorry, that domain isn't in my list of allowed rcpthosts (#5.7.1)",
    'relaying',
    null,
  ],
  ['qmail', 'RCPT', '550 sorry, no mailbox here by that name: ann (#5.1.1)', 'recipient', null],
];
