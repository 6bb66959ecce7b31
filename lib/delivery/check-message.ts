import { TwoFactorConfigurationError, TwoFactorError } from '../errors/index.js';
import { isOneLine, ONE_LINE_RULE } from '../options/one-line.js';
import { SendFailure } from '../sender/index.js';
import { describeThrown } from './redact.js';

/** What may stand between the characters of a code: `042 317` and `042-317` are the code 042317. */
const SEPARATORS = /[^\p{L}\p{N}]/gu;

/**
 * Whether a text has the code. A message without it would be counted, and paid, and no person could use it.
 *
 * @internal
 */
export function hasCode(text: unknown, code: string): boolean {
  if (typeof text !== 'string') return false;
  return text.includes(code) || text.replace(SEPARATORS, '').includes(code);
}

/**
 * Checks a mail that a function of the application wrote. Every try of such a message would fail, or would send a mail without a code, so
 * that the error is one of the configuration, after which no provider is called and nothing is charged again.
 *
 * @param author the function, at the beginning of a sentence.
 * @throws TwoFactorConfigurationError for what is no mail, for a subject that has the code or more than one line, and for a text without
 * the code.
 * @internal
 */
export function checkMail(message: unknown, code: string, author: string): void {
  if (typeof message !== 'object' || message === null) {
    throw new TwoFactorConfigurationError(
      `${author} returned no message. Return an object with subject and text.`,
    );
  }
  const { subject, text, html } = message as Readonly<Record<string, unknown>>;
  if (typeof subject !== 'string' || !isOneLine(subject) || hasCode(subject, code)) {
    throw new TwoFactorConfigurationError(
      `${author} made a subject that has the code or is not ${ONE_LINE_RULE}. Lock screens show subjects: write one without the ` +
        'code, and leave what is not yours out of it.',
    );
  }
  const isHtml = html === undefined || (typeof html === 'string' && html !== '');
  if (!hasCode(text, code) || !isHtml) {
    throw new TwoFactorConfigurationError(
      `${author} made a text without the code, or an html that is no text or empty. Write the code into the text, and leave html out ` +
        'if there is none.',
    );
  }
}

/**
 * Runs a function of the application that writes a message. An error that the function throws becomes a `SendFailure` which says that
 * nothing was sent. Without that, the message would count as one that may have arrived: a failover would ask no other provider, and each
 * try would be charged.
 *
 * @internal
 */
export async function writeOrSendFailure<T>(write: () => T | Promise<T>): Promise<T> {
  try {
    return await write();
  } catch (error) {
    if (error instanceof TwoFactorError || error instanceof SendFailure) throw error;
    throw new SendFailure('transient', describeThrown(error), { cause: error });
  }
}
