import { TwoFactorConfigurationError } from '../../errors/index.js';
import { isOneLine, ONE_LINE_RULE } from '../../options/one-line.js';

/** What each mail carries, so that no holiday notice answers it (RFC 3834 5, and Exchange's own header). */
const AUTOMATIC = { 'Auto-Submitted': 'auto-generated', 'X-Auto-Response-Suppress': 'All' };

/** The characters of a header's name (RFC 5322 2.2). */
const NAME = /^[!-9;-~]{1,76}$/;
/** nodemailer takes further recipients from headers, too. */
const RESERVED: ReadonlySet<string> = new Set([
  'from',
  'sender',
  'to',
  'cc',
  'bcc',
  'subject',
  'date',
  'message-id',
  'return-path',
  'received',
  'mime-version',
  'auto-submitted',
  'x-auto-response-suppress',
]);
const RESERVED_PREFIXES = ['content-', 'resent-', 'dkim-'];

/**
 * The headers of a mail: our own and the composed ones.
 *
 * @throws TwoFactorConfigurationError for a name or a value that could add another header or another recipient.
 */
export function headersOf(sender: string, composed: unknown = {}): Record<string, string> {
  const given = Object.entries(composed ?? {}) as [string, unknown][];
  for (const [name, value] of given) {
    if (isReserved(name) || typeof value !== 'string' || !isOneLine(value)) {
      throw new TwoFactorConfigurationError(
        `The compose of sender ${sender} made the header ${JSON.stringify(name.slice(0, 76))}, which it may not set, or not to ` +
          `this value. Make the value ${ONE_LINE_RULE}, and leave senders, recipients, subject and content to the backend.`,
      );
    }
  }
  return { ...(Object.fromEntries(given) as Record<string, string>), ...AUTOMATIC };
}

function isReserved(name: string): boolean {
  const lower = name.toLowerCase();
  return (
    !NAME.test(name) ||
    RESERVED.has(lower) ||
    RESERVED_PREFIXES.some((prefix) => lower.startsWith(prefix))
  );
}
