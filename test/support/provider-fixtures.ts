// The ready-made backends, each with a double of its provider that answers in the provider's published format.
import { randomBytes } from 'node:crypto';

import { awsSnsBackend } from '../../lib/backends/aws-sns/index.js';
import { telegramBotBackend, telegramGatewayBackend } from '../../lib/backends/telegram/index.js';
import { twilioBackend } from '../../lib/backends/twilio/index.js';
import { verifyWebhook, webhookBackend } from '../../lib/backends/webhook/index.js';
import type { SendFunction, SenderBackendFactory } from '../../lib/index.js';
import type { ProviderMessage } from '../../lib/testing/index.js';
import type { ProviderCall, Reply } from './provider-server.js';

/** A credential of a test, drawn for each run: no file of the repository contains one. */
const drawn = (bytes: number): string => randomBytes(bytes).toString('hex');

export const CREDENTIALS = {
  accountSid: `AC${drawn(16)}`,
  authToken: drawn(16),
  messagingServiceSid: `MG${drawn(16)}`,
  accessKeyId: `AKIA${drawn(8).toUpperCase()}`,
  secretAccessKey: drawn(20),
  accessToken: drawn(20),
  botToken: `123456789:${drawn(18)}`,
  webhookKey: `whsec_${randomBytes(32).toString('base64')}`,
};

const JSON_TYPE = { 'content-type': 'application/json' };
const json = (status: number, body: object, headers: Record<string, string> = {}): Reply => ({
  status,
  headers: { ...JSON_TYPE, ...headers },
  body: JSON.stringify(body),
});

export interface ProviderFixture {
  readonly name: string;
  /** The backend, for a provider at this address. */
  create(url: string, more?: object): SendFunction<never> | Promise<SendFunction<never>>;
  /** How the provider accepts a call. */
  readonly usual: (call: ProviderCall) => Reply;
  /** What a call asks to send. */
  readonly messageOf: (call: ProviderCall) => ProviderMessage;
  readonly token: (n: number) => string;
  /** A token that the backend or the provider refuses for good, by `usual`. */
  readonly unreachable: readonly string[];
  readonly refused: Reply;
  readonly rateLimited: Reply;
  /** What the provider answers to a wrong credential. */
  readonly ours: Reply;
  readonly credentials: readonly string[];
  /** For Telegram Gateway, which takes no longer codes. */
  readonly codeDigits?: number;
  /** A word of `refused` that the log must have. */
  readonly word: string;
}

function made<Options>(
  backend: SenderBackendFactory<Options>,
  options: object,
): SendFunction<never> | Promise<SendFunction<never>> {
  return backend({
    name: 'sms',
    verboseName: 'sms',
    options: options as Options,
  });
}

const phone = (n: number): string => `+1555555010${n}`;

// https://www.twilio.com/docs/messaging/api/message-resource and https://www.twilio.com/docs/usage/twilios-response
const twilioError = (status: number, code: number, message: string, headers = {}): Reply =>
  json(
    status,
    { code, message, more_info: `https://www.twilio.com/docs/errors/${code}`, status },
    headers,
  );

export { twilioError };

export const TWILIO: ProviderFixture = {
  name: 'twilioBackend',
  create: (baseUrl, more) =>
    made(twilioBackend, {
      accountSid: CREDENTIALS.accountSid,
      authToken: CREDENTIALS.authToken,
      messagingServiceSid: CREDENTIALS.messagingServiceSid,
      baseUrl,
      ...more,
    }),
  usual: ({ body }) => {
    const to = new URLSearchParams(body).get('To');
    return to === '+15005550001'
      ? twilioError(400, 21211, `Invalid 'To' Phone Number: ${to}`)
      : json(201, {
          account_sid: CREDENTIALS.accountSid,
          body: new URLSearchParams(body).get('Body'),
          direction: 'outbound-api',
          error_code: null,
          error_message: null,
          sid: `SM${drawn(16)}`,
          status: 'accepted',
          to,
        });
  },
  messageOf: ({ body }) => {
    const form = new URLSearchParams(body);
    return { token: form.get('To') ?? '', text: form.get('Body') ?? '' };
  },
  token: phone,
  // https://www.twilio.com/docs/iam/test-credentials: +15005550001 is invalid.
  unreachable: ['+15005550001', 'not a number'],
  refused: twilioError(400, 21610, 'Attempt to send to unsubscribed recipient'),
  rateLimited: twilioError(429, 20429, 'Too Many Requests', { 'retry-after': '7' }),
  ours: twilioError(401, 20003, 'Authenticate'),
  credentials: [CREDENTIALS.authToken],
  word: '21610',
};

// https://docs.aws.amazon.com/sns/latest/api/API_Publish.html and https://docs.aws.amazon.com/sns/latest/api/CommonErrors.html
const XML = { 'content-type': 'text/xml' };
export const snsError = (status: number, code: string, message: string, headers = {}): Reply => ({
  status,
  headers: { ...XML, ...headers },
  body: `<ErrorResponse xmlns="http://sns.amazonaws.com/doc/2010-03-31/"><Error><Type>Sender</Type><Code>${code}</Code><Message>${message}</Message></Error><RequestId>f187a3c1-376f-11df-8963-01868b7c937a</RequestId></ErrorResponse>`,
});

export const SNS: ProviderFixture = {
  name: 'awsSnsBackend',
  create: (endpoint, more) =>
    made(awsSnsBackend, {
      region: 'eu-central-1',
      endpoint,
      credentials: {
        accessKeyId: CREDENTIALS.accessKeyId,
        secretAccessKey: CREDENTIALS.secretAccessKey,
      },
      ...more,
    }),
  usual: ({ body }) =>
    new URLSearchParams(body).get('PhoneNumber') === '+15005550001'
      ? snsError(
          400,
          'InvalidParameter',
          'Invalid parameter: PhoneNumber Reason: +15005550001 is not valid to publish to',
        )
      : {
          status: 200,
          headers: XML,
          body: '<PublishResponse xmlns="https://sns.amazonaws.com/doc/2010-03-31/"><PublishResult><MessageId>567910cd-659e-55d4-8ccb-5aaf14679dc0</MessageId></PublishResult><ResponseMetadata><RequestId>d74b8436-ae13-5ab4-a9ff-ce54dfea72a0</RequestId></ResponseMetadata></PublishResponse>',
        },
  messageOf: ({ body }) => {
    const form = new URLSearchParams(body);
    return { token: form.get('PhoneNumber') ?? '', text: form.get('Message') ?? '' };
  },
  token: phone,
  unreachable: ['+15005550001', 'not a number'],
  refused: snsError(400, 'OptedOut', 'The phone number has opted out'),
  rateLimited: snsError(429, 'Throttled', 'Rate exceeded', { 'retry-after': '7' }),
  ours: snsError(
    403,
    'InvalidClientTokenId',
    'The security token included in the request is invalid.',
  ),
  credentials: [CREDENTIALS.secretAccessKey],
  word: 'OptedOut',
};

// https://core.telegram.org/gateway/api
export const GATEWAY: ProviderFixture = {
  name: 'telegramGatewayBackend',
  create: (baseUrl, more) =>
    made(telegramGatewayBackend, { accessToken: CREDENTIALS.accessToken, baseUrl, ...more }),
  usual: ({ body }) => {
    const { phone_number: number } = JSON.parse(body) as { phone_number: string };
    return number === '+15005550001'
      ? json(200, { ok: false, error: 'PHONE_NUMBER_INVALID' })
      : json(200, {
          ok: true,
          result: {
            request_id: '1234567890',
            phone_number: number,
            request_cost: 0.01,
            remaining_balance: 9.99,
            delivery_status: { status: 'sent', updated_at: 1_795_000_000 },
          },
        });
  },
  messageOf: ({ body }) => {
    const { phone_number: token, code } = JSON.parse(body) as {
      phone_number: string;
      code: string;
    };
    return { token, text: code };
  },
  token: phone,
  unreachable: ['+15005550001', 'not a number'],
  refused: json(200, { ok: false, error: 'PHONE_NUMBER_NOT_FOUND' }),
  rateLimited: json(200, { ok: false, error: 'FLOOD_WAIT_7' }),
  ours: json(200, { ok: false, error: 'ACCESS_TOKEN_INVALID' }),
  credentials: [CREDENTIALS.accessToken],
  codeDigits: 8,
  word: 'PHONE_NUMBER_NOT_FOUND',
};

// https://core.telegram.org/bots/api#making-requests and https://core.telegram.org/bots/api#responseparameters
export const BOT: ProviderFixture = {
  name: 'telegramBotBackend',
  create: (baseUrl, more) =>
    made(telegramBotBackend, { botToken: CREDENTIALS.botToken, baseUrl, ...more }),
  usual: ({ body }) => {
    const { chat_id: id, text } = JSON.parse(body) as { chat_id: number; text: string };
    return id === 404
      ? json(400, { ok: false, error_code: 400, description: 'Bad Request: chat not found' })
      : json(200, {
          ok: true,
          result: { message_id: 1, date: 1_795_000_000, chat: { id, type: 'private' }, text },
        });
  },
  messageOf: ({ body }) => {
    const { chat_id: id, text } = JSON.parse(body) as { chat_id: number; text: string };
    return { token: String(id), text };
  },
  token: (n) => `700000${n}`,
  // A group and a channel: each of their members would read the code.
  unreachable: ['404', '-1001234567890', '@channel'],
  refused: json(403, {
    ok: false,
    error_code: 403,
    description: 'Forbidden: bot was blocked by the user',
  }),
  rateLimited: json(429, {
    ok: false,
    error_code: 429,
    description: 'Too Many Requests: retry after 7',
    parameters: { retry_after: 7 },
  }),
  ours: json(401, { ok: false, error_code: 401, description: 'Unauthorized' }),
  credentials: [CREDENTIALS.botToken],
  word: 'blocked by the user',
};

// https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
export const WEBHOOK: ProviderFixture = {
  name: 'webhookBackend',
  create: (url, more) =>
    made(webhookBackend, { url: `${url}/codes`, key: CREDENTIALS.webhookKey, ...more }),
  usual: ({ headers, body }) => {
    const message = verifyWebhook({ headers, body, keys: [CREDENTIALS.webhookKey] });
    if (message === null) return json(401, {});
    return message.token === 'nobody' ? json(422, { detail: 'No such user.' }) : { status: 202 };
  },
  messageOf: ({ headers, body }) => {
    const message = verifyWebhook({ headers, body, keys: [CREDENTIALS.webhookKey] });
    return { token: message?.token ?? '', text: message?.text ?? '' };
  },
  token: (n) => `user-${n}`,
  unreachable: ['nobody'],
  refused: json(422, { detail: 'The device is gone.' }),
  rateLimited: { status: 429, headers: { 'retry-after': '7' } },
  ours: json(401, { detail: 'The signature is wrong.' }),
  credentials: [CREDENTIALS.webhookKey],
  word: 'The device is gone.',
};

export const FIXTURES: readonly ProviderFixture[] = [TWILIO, SNS, GATEWAY, BOT, WEBHOOK];
