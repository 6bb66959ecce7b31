import { TwoFactorRecipientError } from '../../errors/index.js';
import type { SendFunction, SenderBackendFactoryInput } from '../../sender/index.js';
import type { ProviderAnswer } from '../provider/exchange.js';
import { OptionReader, type TextOptions } from '../provider/options.js';
import {
  ACCOUNT_REFUSED,
  membersOf,
  Provider,
  verdictOf,
  wordsOf,
  type Verdict,
} from '../provider/provider.js';
import { textOf } from '../provider/text.js';

/** The options of a sender by a bot of Telegram. */
export interface TelegramBotOptions extends TextOptions<TelegramBotOptions> {
  /** The bot's token, from BotFather. */
  readonly botToken: string;
  /** Another address of the API, such as a server of your own. @default 'https://api.telegram.org' */
  readonly baseUrl?: string | undefined;
}

const OPTIONS = ['botToken', 'baseUrl', 'timeoutMs', 'product', 'compose'];
/** The chat of one person. Groups have negative ids and channels have names: a code is for one person. */
const PRIVATE_CHAT = /^[1-9]\d{0,15}$/;
/** Matches the description of a refusal because there is no such chat. */
const NO_CHAT = /chat not found|user not found|PEER_ID_INVALID/i;

/**
 * Creates a sender that writes to the private chat of a person with your bot. The token is the chat's id, which the bot learns when
 * the person starts it; let the application name it for the subject (`recipient` of a purpose), never the client.
 *
 * @throws TwoFactorConfigurationError at boot for missing, unknown or malformed options.
 * @example
 * ```ts
 * senders: {
 *   telegram: defineSender(telegramBotBackend, {
 *     options: { botToken: process.env.TELEGRAM_BOT_TOKEN!, product: 'ACME' },
 *   }),
 * }
 * ```
 * @publicApi
 */
export function telegramBotBackend({
  name,
  options,
}: SenderBackendFactoryInput<TelegramBotOptions>): SendFunction<TelegramBotOptions> {
  const reader = new OptionReader(name, options, OPTIONS);
  const botToken = reader.text('botToken', "the bot's token, digits:characters", (text) =>
    /^\d{3,20}:[\w-]{10,100}$/.test(text),
  );
  reader.optionalText('product', 'the name of your product');
  reader.optionalFunction('compose');
  // The token is a part of the address, so that no error may contain the address.
  const url = `${reader.baseUrl('https://api.telegram.org')}/bot${botToken}/sendMessage`;
  const provider = new Provider('Telegram', reader.timeoutMs(), [botToken]);
  const headers = { accept: 'application/json', 'content-type': 'application/json' };
  const send: SendFunction<TelegramBotOptions> = async (delivery) => {
    const { token, signal } = delivery;
    if (!PRIVATE_CHAT.test(token)) {
      throw new TwoFactorRecipientError('The token is not the id of a private chat.');
    }
    const text = await textOf(delivery, options, 'text');
    signal.throwIfAborted();
    const body = JSON.stringify({ chat_id: Number(token), text, protect_content: true });
    const answer = await provider.post({ url, headers, body }, delivery);
    const { ok, error_code: code, description, parameters } = membersOf(answer.text);
    if (ok === true) return;
    if (typeof description !== 'string') {
      throw provider.error(verdictOfBot(answer, '', parameters), wordsOf(answer), delivery);
    }
    const number = typeof code === 'number' ? code : 'without a number';
    const words = `HTTP ${answer.status}, error ${number}: ${description}`;
    throw provider.error(verdictOfBot(answer, description, parameters), words, delivery);
  };
  return Object.assign(send, {
    tokenKind: 'chat' as const,
    ping: (signal: AbortSignal) => provider.ping({ url, headers }, signal),
  });
}

function verdictOfBot(answer: ProviderAnswer, description: string, parameters: unknown): Verdict {
  const { status } = answer;
  // 403: the person has blocked the bot, has never started it, or is gone. Without Telegram's description the answer is not
  // Telegram's, and a proxy in between refuses all recipients.
  if (status === 403 && description !== '') return 'recipient';
  if (status === 400 && NO_CHAT.test(description)) return 'recipient';
  // 404: no bot has this token.
  if (status === 401 || status === 404) return ACCOUNT_REFUSED;
  const { retry_after: wait } = (parameters ?? {}) as { readonly retry_after?: unknown };
  if (status === 429 && typeof wait === 'number') {
    return { kind: 'rate-limited', options: { retryAfterSeconds: wait } };
  }
  return verdictOf(answer);
}
