import type { SendFunction, SenderBackendFactoryInput } from '../../sender/index.js';
import type { ProviderAnswer } from '../provider/exchange.js';
import { OptionReader, type TextOptions } from '../provider/options.js';
import { phoneNumberOf } from '../provider/phone-number.js';
import {
  ACCOUNT_REFUSED,
  membersOf,
  Provider,
  verdictOf,
  wordsOf,
  type Verdict,
} from '../provider/provider.js';
import { textOf } from '../provider/text.js';

const FROM_RULE = 'the sending number with + and its country code, a short code, or a name';
/** Short codes have at most 8 digits. Twilio would refuse each message of a longer one, and the boot is the place to say it. */
const NUMBER_WITHOUT_PLUS = /^[0-9]{9,}$/;

/** The options of a sender by Twilio. */
export interface TwilioOptions extends TextOptions<TwilioOptions> {
  /** The account, `AC...`. */
  readonly accountSid: string;
  /** The account's token. Give it, or `apiKey` and `apiKeySecret`, which can be revoked alone. */
  readonly authToken?: string | undefined;
  /** The SID of an API key, `SK...`. */
  readonly apiKey?: string | undefined;
  /** The secret of the API key. */
  readonly apiKeySecret?: string | undefined;
  /** The messaging service that chooses the sending number, `MG...`. Give it, or `from`. */
  readonly messagingServiceSid?: string | undefined;
  /** The sending number with `+`, a short code, or an alphanumeric sender. */
  readonly from?: string | undefined;
  /** Another address of the API, such as that of a region. @default 'https://api.twilio.com' */
  readonly baseUrl?: string | undefined;
}

const OPTIONS = [
  'accountSid',
  'authToken',
  'apiKey',
  'apiKeySecret',
  'messagingServiceSid',
  'from',
  'baseUrl',
  'timeoutMs',
  'product',
  'compose',
];

/** Longer than Twilio keeps a message in its queue. */
const MAX_VALIDITY_SECONDS = 36_000;

// https://www.twilio.com/docs/api/errors
/** An invalid number, a person who has opted out, no mobile number, a short code, a landline. */
const RECIPIENT_ERRORS: ReadonlySet<number> = new Set([21211, 21610, 21614, 21265, 21635]);
/** The region is not enabled, or the number is not verified for a trial account. */
const REGION_ERRORS: ReadonlySet<number> = new Set([21408, 21608]);
const TOO_MANY = 20429;
/** Wrong credentials, and an account that is suspended, closed or has no money. */
const REFUSED_ACCOUNT: ReadonlySet<number> = new Set([10001, 20003, 20005, 30002, 90010]);

/**
 * Creates a sender that sends text messages by Twilio's Messages API. Messages that Twilio cannot send before the code expires are
 * dropped by it (`ValidityPeriod`).
 *
 * Twilio has no idempotency key: after a lost answer a message may be sent, and paid, twice.
 *
 * @throws TwoFactorConfigurationError at boot for missing, unknown or malformed options.
 * @example
 * ```ts
 * senders: {
 *   sms: defineSender(twilioBackend, {
 *     options: {
 *       accountSid: process.env.TWILIO_ACCOUNT_SID!,
 *       authToken: process.env.TWILIO_AUTH_TOKEN!,
 *       messagingServiceSid: process.env.TWILIO_MESSAGING_SERVICE_SID!,
 *       product: 'ACME',
 *     },
 *   }),
 * }
 * ```
 * @publicApi
 */
export function twilioBackend({
  name,
  options,
}: SenderBackendFactoryInput<TwilioOptions>): SendFunction<TwilioOptions> {
  const { url, authorization, origin, provider } = checkedOptions(name, options);
  const headers = {
    authorization,
    accept: 'application/json',
    'content-type': 'application/x-www-form-urlencoded',
  };
  const send: SendFunction<TwilioOptions> = async (delivery) => {
    const { token, expiresInSeconds, signal } = delivery;
    const number = phoneNumberOf(token);
    const text = await textOf(delivery, options);
    signal.throwIfAborted();
    const validity = Math.min(Math.max(expiresInSeconds, 1), MAX_VALIDITY_SECONDS);
    const body = new URLSearchParams({
      To: number,
      Body: text,
      ValidityPeriod: String(validity),
      ...origin,
    });
    const answer = await provider.post({ url, headers, body: body.toString() }, delivery);
    const refusal = refusalOf(answer);
    if (refusal !== null) throw provider.error(refusal.verdict, refusal.words, delivery);
  };
  return Object.assign(send, {
    tokenKind: 'phone' as const,
    ping: (signal: AbortSignal) => provider.ping({ url, headers }, signal),
  });
}

interface CheckedOptions {
  readonly url: string;
  readonly authorization: string;
  readonly origin: Readonly<Record<string, string>>;
  readonly provider: Provider;
}

function checkedOptions(sender: string, options: TwilioOptions): CheckedOptions {
  const reader = new OptionReader(sender, options, OPTIONS);
  const accountSid = reader.text('accountSid', 'the SID of the account, AC and 32 digits', (text) =>
    /^AC[0-9a-fA-F]{32}$/.test(text),
  );
  if (reader.has('apiKey') === reader.has('authToken')) {
    throw reader.error('needs either authToken, or apiKey and apiKeySecret');
  }
  if (reader.has('from') === reader.has('messagingServiceSid')) {
    throw reader.error('needs either messagingServiceSid or from');
  }
  const [user, password] = reader.has('apiKey')
    ? [
        reader.text('apiKey', 'the SID of an API key, SK and 32 digits', (text) =>
          /^SK[0-9a-fA-F]{32}$/.test(text),
        ),
        reader.text('apiKeySecret', 'the secret of the API key'),
      ]
    : [accountSid, reader.text('authToken', "the account's token")];
  const origin: Record<string, string> = reader.has('from')
    ? { From: reader.text('from', FROM_RULE, (text) => !NUMBER_WITHOUT_PLUS.test(text)) }
    : {
        MessagingServiceSid: reader.text(
          'messagingServiceSid',
          'the SID of a messaging service, MG and 32 digits',
          (text) => /^MG[0-9a-fA-F]{32}$/.test(text),
        ),
      };
  reader.optionalText('product', 'the name of your product');
  reader.optionalFunction('compose');
  const credentials = Buffer.from(`${user}:${password}`).toString('base64');
  const baseUrl = reader.baseUrl('https://api.twilio.com');
  return {
    url: `${baseUrl}/2010-04-01/Accounts/${accountSid}/Messages.json`,
    authorization: `Basic ${credentials}`,
    origin,
    provider: new Provider('Twilio', reader.timeoutMs(), [password, credentials]),
  };
}

function refusalOf(answer: ProviderAnswer): { verdict: Verdict; words: string } | null {
  const { status, text } = answer;
  const {
    sid,
    code,
    error_code: errorCode,
    message,
    error_message: errorMessage,
  } = membersOf(text);
  const isCreated = status >= 200 && status < 300 && typeof sid === 'string';
  if (isCreated && typeof errorCode !== 'number') return null;
  const number = isCreated ? errorCode : code;
  if (typeof number !== 'number') return { verdict: verdictOf(answer), words: wordsOf(answer) };
  const words = message ?? errorMessage;
  const shown = `HTTP ${status}, error ${number}: ${typeof words === 'string' ? words : 'no text'}`;
  const verdict =
    verdictOnErrorCode(number) ??
    verdictOf(number === TOO_MANY ? { ...answer, status: 429 } : answer);
  return { verdict, words: shown };
}

/** `null` for an error code of Twilio that has no verdict of its own. */
function verdictOnErrorCode(errorCode: number): Verdict | null {
  if (RECIPIENT_ERRORS.has(errorCode)) return 'recipient';
  if (REGION_ERRORS.has(errorCode)) return 'region';
  return REFUSED_ACCOUNT.has(errorCode) ? ACCOUNT_REFUSED : null;
}
