import type { SendFunction, SenderBackendFactoryInput } from '../../sender/index.js';
import type { ProviderAnswer } from '../provider/exchange.js';
import { OptionReader, type TextOptions } from '../provider/options.js';
import {
  membersOf,
  Provider,
  REQUEST_REFUSED,
  verdictOf,
  wordsOf,
  type Verdict,
} from '../provider/provider.js';
import { textOf } from '../provider/text.js';
import {
  ID_HEADER,
  KEY_RULE,
  keyOf,
  SIGNATURE_HEADER,
  signatureOf,
  TIMESTAMP_HEADER,
} from './signature.js';
import type { WebhookMessage } from './verify-webhook.js';

/** The options of a sender by a webhook. */
export interface WebhookOptions extends TextOptions<WebhookOptions> {
  /** The address that receives the messages. `https`, because the body has the code; `http` to this machine in development. */
  readonly url: string;
  /** The key that signs the requests: `whsec_` and the base64 of 24 to 64 random bytes. Use this key for nothing else. */
  readonly key: string;
}

const OPTIONS = ['url', 'key', 'timeoutMs', 'product', 'compose'];
/**
 * The answers to `ping`, a request without a body, that mean that the service is down. Not 500: a service that runs may answer it to such
 * a request, and then failed messages to recipients that a stranger names would make a failover pass over the service.
 */
const DOWN_STATUSES: ReadonlySet<number> = new Set([502, 503, 504]);

/**
 * Creates a sender that posts each message to a service of your own, which delivers it in whatever way. Requests are signed as
 * Standard Webhooks 1.0 describes it: timestamp, HMAC-SHA-256, and an idempotency key in `webhook-id`, equal in all tries.
 *
 * The service answers 2xx when it has accepted the message, 422 for a recipient that can never be reached, 429 or 503 with
 * `Retry-After` when it cannot now. Every other answer in the range 3xx and 4xx is a fault of the application.
 *
 * @throws TwoFactorConfigurationError at boot for missing, unknown or malformed options, and a `url` without https.
 * @example
 * ```ts
 * senders: {
 *   push: defineSender(webhookBackend, {
 *     options: { url: 'https://push.internal.example/codes', key: process.env.WEBHOOK_KEY! },
 *   }),
 * }
 * ```
 * @publicApi
 */
export function webhookBackend({
  name,
  options,
}: SenderBackendFactoryInput<WebhookOptions>): SendFunction<WebhookOptions> {
  const reader = new OptionReader(name, options, OPTIONS);
  const url = reader.url('url');
  const key = keyOf(reader.text('key', KEY_RULE));
  if (key === null) throw reader.error(`needs the option key: ${KEY_RULE}`);
  reader.optionalText('product', 'the name of your product');
  reader.optionalFunction('compose');
  const provider = new Provider('Webhook', reader.timeoutMs(), [options.key]);
  const send: SendFunction<WebhookOptions> = async (delivery) => {
    const { token, code, state, context, idempotencyKey, signal } = delivery;
    const message: Omit<WebhookMessage, 'idempotencyKey'> = {
      token,
      code,
      text: await textOf(delivery, options),
      sender: delivery.name,
      purpose: state.purpose,
      details: state.details as WebhookMessage['details'],
      context,
      expiresAt: state.expiresAt.toISOString(),
    };
    signal.throwIfAborted();
    const body = JSON.stringify(message);
    const timestamp = String(Math.floor(Date.now() / 1_000));
    const headers = {
      'content-type': 'application/json',
      [ID_HEADER]: idempotencyKey,
      [TIMESTAMP_HEADER]: timestamp,
      [SIGNATURE_HEADER]: signatureOf(key, idempotencyKey, timestamp, body),
    };
    const answer = await provider.post({ url, headers, body }, delivery);
    if (answer.status >= 200 && answer.status < 300) return;
    const verdict = verdictOfService(answer);
    const { detail } = membersOf(answer.text);
    const words = typeof detail === 'string' ? `HTTP ${answer.status}, ${detail}` : wordsOf(answer);
    throw provider.error(verdict, words, delivery);
  };
  const ping = (signal: AbortSignal): Promise<void> =>
    provider.ping({ url, headers: {} }, signal, (status) => DOWN_STATUSES.has(status));
  return Object.assign(send, { ping });
}

function verdictOfService(answer: ProviderAnswer): Verdict {
  const { status } = answer;
  if (status === 422) return 'recipient';
  // A wrong `url`, or a service that answers so for a person whom it does not know, whom a stranger may have chosen.
  return status === 404 || status === 410 ? REQUEST_REFUSED : verdictOf(answer);
}
