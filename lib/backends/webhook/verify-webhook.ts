import { expectInput, inputMembers, TwoFactorInputError } from '../../errors/index.js';
import type { JsonValue } from '../../options/index.js';
import {
  hasSignature,
  ID_HEADER,
  KEY_RULE,
  keyOf,
  SIGNATURE_HEADER,
  signatureOf,
  TIMESTAMP_HEADER,
} from './signature.js';

/** The body of a webhook: one message to deliver. */
export interface WebhookMessage {
  /** The recipient: an address, a number or a chat id. */
  readonly token: string;
  /** The clear code. Write it into the message only. */
  readonly code: string;
  /** The default text, or that of the option `compose`. */
  readonly text: string;
  /** The sender's name. */
  readonly sender: string;
  readonly purpose: string;
  readonly details: JsonValue;
  /** The context of the request, such as a language. */
  readonly context: Readonly<Record<string, JsonValue>>;
  /** When the code expires, ISO 8601 in UTC. */
  readonly expiresAt: string;
  /** Equal in all tries of one message: deliver it once. */
  readonly idempotencyKey: string;
}

/** The input of `verifyWebhook`. */
export interface VerifyWebhookInput {
  /** The headers of the request, as Node's `request.headers` or `Headers` of fetch. */
  readonly headers: Headers | Readonly<Record<string, string | readonly string[] | undefined>>;
  /** The body as it was received, before it was parsed: another spelling has another signature. */
  readonly body: string | Uint8Array;
  /** The key of the sender's option `key`; several while the key is renewed. */
  readonly keys: readonly string[];
  /** The greatest age of a request, in seconds, also into the future. A copied request is refused later. @default 300 */
  readonly toleranceSeconds?: number | undefined;
  /** The present time, in epoch milliseconds. @default Date.now() */
  readonly now?: number | undefined;
}

const MEMBERS = inputMembers<VerifyWebhookInput>({
  headers: true,
  body: true,
  keys: true,
  toleranceSeconds: true,
  now: true,
});
const TOLERANCE_SECONDS = 300;

/**
 * Verifies a request of `webhookBackend` in the service that receives it. A verified request may arrive twice: remember each
 * `idempotencyKey` for twice `toleranceSeconds`, because the clock of the sender may be ahead, and deliver it once.
 *
 * @returns the message; `null` for a request that is not signed by one of the keys, or is too old. Answer it with 401.
 * @throws TwoFactorInputError for a key that is none.
 * @example
 * ```ts
 * const message = verifyWebhook({ headers: request.headers, body: request.rawBody, keys: [process.env.WEBHOOK_KEY!] });
 * if (message === null) throw new UnauthorizedException();
 * ```
 * @publicApi
 */
export function verifyWebhook(input: VerifyWebhookInput): WebhookMessage | null {
  expectInput('verifyWebhook', input, MEMBERS);
  const { headers, body, keys, toleranceSeconds = TOLERANCE_SECONDS, now = Date.now() } = input;
  const secrets = Array.isArray(keys) ? keys.map((key) => keyOf(key)) : [];
  if (secrets.length === 0 || secrets.includes(null)) {
    throw new TwoFactorInputError(`verifyWebhook needs keys. Each is ${KEY_RULE}.`);
  }
  if (typeof headers !== 'object' || headers === null) {
    throw new TwoFactorInputError('verifyWebhook needs the headers of the request.');
  }
  // A request without a body has none, and is not signed.
  if (body === undefined || body === null) return null;
  if (typeof body !== 'string' && !(body instanceof Uint8Array)) {
    throw new TwoFactorInputError(
      'verifyWebhook needs the body as it was received, a text or bytes, and not what a parser made of it: give request.rawBody.',
    );
  }
  const id = headerOf(headers, ID_HEADER);
  const timestamp = headerOf(headers, TIMESTAMP_HEADER);
  const signatures = headerOf(headers, SIGNATURE_HEADER);
  if (id === null || timestamp === null || signatures === null) return null;
  if (!/^\d{1,12}$/.test(timestamp)) return null;
  // A tolerance that is no number accepts nothing.
  if (!(Math.abs(now / 1_000 - Number(timestamp)) <= toleranceSeconds)) return null;
  const text = typeof body === 'string' ? body : Buffer.from(body).toString('utf8');
  const isSigned = secrets.some((secret) =>
    hasSignature(signatures, signatureOf(secret!, id, timestamp, text)),
  );
  return isSigned ? messageOf(text, id) : null;
}

function headerOf(headers: VerifyWebhookInput['headers'], name: string): string | null {
  const value = headers instanceof Headers ? headers.get(name) : headers[name];
  return typeof value === 'string' && value !== '' ? value : null;
}

function messageOf(text: string, id: string): WebhookMessage | null {
  try {
    const message = JSON.parse(text) as WebhookMessage;
    return { ...message, idempotencyKey: id };
  } catch {
    // The holder of the key has signed something else.
    return null;
  }
}
