import type { ProblemSlug } from '../problems.js';

/**
 * A text with a number in it. A function gets the number (the attempts or the seconds that are left) and returns the form of the
 * text for it, with the name in braces, which is replaced then.
 */
export type CountedText = string | ((count: number) => string);

/**
 * The texts of `<two-factor-code>`. Names in braces are replaced: `{recipient}`, `{attempts}`, `{time}` such as `9:59`, and
 * `{seconds}`.
 */
export interface TwoFactorTexts {
  /** The label of the button that requests the first confirmation. */
  readonly start: string;
  /** The label of that button after the end of a confirmation, or when its code cannot be sent again. */
  readonly restart: string;
  /** The sentence that names the recipient of the code. */
  readonly sent: string;
  /** Said instead of `sent` until a provider has accepted the message. Only where the server queues messages. */
  readonly queued: string;
  /** Announced when no provider has accepted the message for 8 seconds. The server repeats it. */
  readonly delayed: string;
  /** The labels of the field for a sent code, a code of an authenticator app, and a recovery code. */
  readonly code: string;
  readonly totp: string;
  readonly recovery: string;
  /** The sentences that ask the person for a code of an app, a recovery code, or a passkey. */
  readonly totpHint: string;
  readonly recoveryHint: string;
  readonly passkeyHint: string;
  /** The labels of the buttons that confirm with the typed code, and with a passkey. */
  readonly confirm: string;
  readonly passkey: string;
  /** Said instead of `problems['code-mismatch']` for a passkey. `{attempts}` are left. */
  readonly passkeyRefused: CountedText;
  /** The sentence with the number of codes that may still be tried. */
  readonly attempts: CountedText;
  /**
   * The countdown until the confirmation expires. It stands beside every field, so that it must not say that the code expires: a
   * recovery code does not.
   */
  readonly valid: string;
  /** Announced once by screen readers, a minute before the confirmation expires. */
  readonly validOneMinute: string;
  /** The label of the button that sends the code again. */
  readonly resend: string;
  /** The label of the resend button while it cannot be pressed, with the seconds that are left. */
  readonly resendIn: string;
  /** Announced when the resend button is pressed too early. */
  readonly resendWait: CountedText;
  /** Announced when the resend button can be pressed. */
  readonly resendNow: string;
  readonly resent: string;
  /** Announced when a button is pressed before the end of the wait after too many attempts. */
  readonly retryWait: string;
  /** Announced when that wait is over. */
  readonly retryNow: string;
  /** Said when the server sends no further message of a confirmation, beside the button `restart`. */
  readonly cannotResend: string;
  /** Said instead of `problems['too-many-requests']` where the server names no time to wait for. */
  readonly locked: string;
  /** The heading of the buttons for other methods, whose labels follow. */
  readonly others: string;
  readonly useCode: string;
  readonly useTotp: string;
  readonly usePasskey: string;
  readonly useRecovery: string;
  readonly useDevice: string;
  readonly confirmed: string;
  /** Announced while a call runs. */
  readonly busy: string;
  /** The validation message of a form that is submitted before the confirmation. */
  readonly required: string;
  /** The validation message of an empty field. */
  readonly empty: string;
  /** The sentences for the problems of the server, by their slugs. A function gets the attempts that are left. */
  readonly problems: Readonly<Partial<Record<ProblemSlug, CountedText>>>;
  /** The sentence for a problem with any other slug. */
  readonly problem: string;
}

/** The texts in English. */
export const ENGLISH = {
  start: 'Continue',
  restart: 'Start again',
  sent: 'We sent a code to {recipient}.',
  queued: 'We are sending a code to {recipient}.',
  delayed: 'The message is taking longer than usual. We are still trying.',
  code: 'Code',
  totp: 'Code from your authenticator app',
  recovery: 'Recovery code',
  totpHint: 'Open your authenticator app and enter the code it shows.',
  recoveryHint: 'Enter one of the codes that you saved. Each works only once.',
  passkeyHint: 'Confirm with your passkey: your fingerprint, face or screen lock.',
  confirm: 'Confirm',
  passkey: 'Use passkey',
  passkeyRefused: 'The passkey was refused. Attempts left: {attempts}.',
  attempts: 'Attempts left: {attempts}',
  valid: 'Time left: {time}',
  validOneMinute: 'One minute left.',
  resend: 'Send the code again',
  resendIn: 'Send the code again in {time}',
  resendWait: (seconds: number) =>
    `Please wait {seconds} second${seconds === 1 ? '' : 's'} before the next message.`,
  resendNow: 'You can have the code sent again now.',
  resent: 'The code is on its way again.',
  retryWait: 'Next attempt in {time}.',
  retryNow: 'You can try again now.',
  cannotResend: 'The code cannot be sent again.',
  locked: 'Too many attempts.',
  others: 'Other ways to confirm',
  useCode: 'Send me a code',
  useTotp: 'Authenticator app',
  usePasskey: 'Passkey',
  useRecovery: 'Recovery code',
  useDevice: 'Trusted device',
  confirmed: 'Confirmed.',
  busy: 'One moment…',
  required: 'Please confirm first.',
  empty: 'Please enter the code.',
  problems: {
    'already-used': 'This confirmation has already been used.',
    'attempts-exhausted': 'Too many failed attempts.',
    cancelled: 'The request was cancelled.',
    'code-mismatch': 'The code is wrong. Attempts left: {attempts}.',
    expired: 'The time is up. Please start again.',
    'invalid-request': 'This entry is not valid. Please check it.',
    'method-not-allowed': 'This method is not available here.',
    'no-method': 'You have not set up a way to confirm this.',
    'no-recipient': 'We have no address or number to send a code to.',
    'no-subject': 'Please sign in first.',
    'not-found': 'This can no longer be confirmed.',
    'passkey-unanswered': 'No passkey was used.',
    'recipient-not-allowed': 'No code can be sent there.',
    'sender-removed': 'The code cannot be sent again.',
    'send-failed': 'The code could not be sent.',
    'temporarily-unavailable': 'This does not work right now. Please try again in a moment.',
    'too-many-requests': 'Too many attempts. Try again in {time}.',
    'unknown-secret': 'This can no longer be confirmed.',
    unreachable: 'There is no connection. Please try again.',
  },
  problem: 'This does not work right now.',
} satisfies TwoFactorTexts;

/** The form of a text for its number. */
export const formOf = (text: CountedText, count: number): string =>
  typeof text === 'string' ? text : text(count);

/** Replaces the names in braces. Each value is isolated, so that digits keep their order in a text from right to left. */
export function fillPlaceholders(
  text: string,
  values: Readonly<Record<string, string | number | undefined>>,
): string {
  return text.replaceAll(/\{[a-z]+\}/g, (name) => {
    const value = values[name.slice(1, -1)];
    return value === undefined ? '' : `\u2068${value}\u2069`;
  });
}

/** Seconds as `9:59`, or `1:09:59` from one hour on. */
export function clockOf(seconds: number): string {
  const twoDigits = (value: number): string => String(value).padStart(2, '0');
  const hours = Math.floor(seconds / 3_600);
  const minutes = Math.floor(seconds / 60) % 60;
  const start = hours > 0 ? `${hours}:${twoDigits(minutes)}` : String(minutes);
  return `${start}:${twoDigits(seconds % 60)}`;
}
