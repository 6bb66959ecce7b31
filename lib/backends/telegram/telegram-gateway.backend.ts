import {
  SendFailure,
  type SendFunction,
  type SenderBackendFactoryInput,
} from '../../sender/index.js';
import type { ProviderAnswer } from '../provider/exchange.js';
import { OptionReader, type ProviderOptions } from '../provider/options.js';
import { phoneNumberOf } from '../provider/phone-number.js';
import {
  ACCOUNT_REFUSED,
  membersOf,
  Provider,
  REQUEST_REFUSED,
  verdictOf,
  wordsOf,
  type Verdict,
} from '../provider/provider.js';

/** The options of a sender by Telegram Gateway. */
export interface TelegramGatewayOptions extends ProviderOptions {
  /** The token of the account's settings at gateway.telegram.org. */
  readonly accessToken: string;
  /** The verified channel that the code comes from. @default Telegram's own channel for codes */
  readonly senderUsername?: string | undefined;
  /** Another address of the API. @default 'https://gatewayapi.telegram.org' */
  readonly baseUrl?: string | undefined;
}

const OPTIONS = ['accessToken', 'senderUsername', 'baseUrl', 'timeoutMs'];
/** The codes that the Gateway takes. */
const CODE = /^\d{4,8}$/;
const CODE_RULE = 'Telegram Gateway sends codes of 4 to 8 digits only';
// The shortest and the longest time for the delivery of a message that Telegram Gateway takes, since February 26, 2025
// (https://core.telegram.org/gateway/api#recent-changes).
const MIN_TTL_SECONDS = 30;
const MAX_TTL_SECONDS = 3_600;

/**
 * Creates a sender that sends codes to phone numbers through Telegram Gateway, which writes the text itself. It cannot show what a
 * code approves, so confirm payments by another sender.
 *
 * The Gateway has no idempotency key: after a lost answer a code may be sent, and paid, twice.
 *
 * @throws TwoFactorConfigurationError at boot for missing, unknown or malformed options, and for an application whose codes are not
 * of 4 to 8 digits.
 * @example
 * ```ts
 * senders: {
 *   telegram: defineSender(telegramGatewayBackend, {
 *     options: { accessToken: process.env.TELEGRAM_GATEWAY_TOKEN! },
 *   }),
 * }
 * ```
 * @publicApi
 */
export async function telegramGatewayBackend({
  name,
  options,
  codeGenerator,
}: SenderBackendFactoryInput<TelegramGatewayOptions>): Promise<
  SendFunction<TelegramGatewayOptions>
> {
  const reader = new OptionReader(name, options, OPTIONS);
  const accessToken = reader.text('accessToken', "the Gateway's access token", isHeaderValue);
  const senderUsername = reader.optionalText('senderUsername', "a channel's name without @");
  const url = `${reader.baseUrl('https://gatewayapi.telegram.org')}/sendVerificationMessage`;
  const provider = new Provider('Telegram Gateway', reader.timeoutMs(), [accessToken]);
  if (codeGenerator !== undefined && !CODE.test(await codeGenerator())) {
    throw reader.error(
      `cannot send the codes of the option codeGenerator: ${CODE_RULE}. Use digits(6)`,
    );
  }
  const headers = {
    authorization: `Bearer ${accessToken}`,
    accept: 'application/json',
    'content-type': 'application/json',
  };
  const send: SendFunction<TelegramGatewayOptions> = async (delivery) => {
    const { token, code, expiresInSeconds, signal } = delivery;
    const number = phoneNumberOf(token);
    if (!CODE.test(code)) throw new SendFailure('ours', `${CODE_RULE}. Use digits(6).`);
    signal.throwIfAborted();
    const body = JSON.stringify({
      phone_number: number,
      code,
      ttl: Math.min(Math.max(expiresInSeconds, MIN_TTL_SECONDS), MAX_TTL_SECONDS),
      sender_username: senderUsername,
    });
    const answer = await provider.post({ url, headers, body }, delivery);
    const { ok, error } = membersOf(answer.text);
    if (ok === true) return;
    const words = typeof error === 'string' ? `HTTP ${answer.status}, ${error}` : wordsOf(answer);
    throw provider.error(verdictOfGateway(answer, error), words, delivery);
  };
  return Object.assign(send, {
    tokenKind: 'phone' as const,
    ping: (signal: AbortSignal) => provider.ping({ url, headers }, signal),
  });
}

/** Whether a text can stand in a header. */
export function isHeaderValue(text: string): boolean {
  return /^[!-~]+$/.test(text);
}

/**
 * https://core.telegram.org/gateway/api names one error only, ACCESS_TOKEN_INVALID. The others are sorted by the names that Telegram
 * gives its errors: by what they are about.
 */
function verdictOfGateway(answer: ProviderAnswer, error: unknown): Verdict {
  if (typeof error !== 'string') return verdictOf(answer);
  if (error.startsWith('PHONE_NUMBER_')) return 'recipient';
  const [, wait] = /^FLOOD_WAIT_(\d{1,6})$/.exec(error) ?? [];
  if (wait !== undefined) {
    return { kind: 'rate-limited', options: { retryAfterSeconds: Number(wait) } };
  }
  if (error.startsWith('ACCESS_TOKEN_') || error.startsWith('BALANCE_')) return ACCOUNT_REFUSED;
  return answer.status < 500 && answer.status !== 429 ? REQUEST_REFUSED : verdictOf(answer);
}
