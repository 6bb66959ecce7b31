import type {
  MessageAttributeValue,
  PublishCommand,
  SNSClient,
  SNSClientConfig,
} from '@aws-sdk/client-sns';

import { TwoFactorConfigurationError } from '../../errors/index.js';
import {
  SendFailure,
  type SendFunction,
  type SenderBackendFactoryInput,
} from '../../sender/index.js';
import { OptionReader, type TextOptions } from '../provider/options.js';
import { phoneNumberOf } from '../provider/phone-number.js';
import { Provider } from '../provider/provider.js';
import { textOf } from '../provider/text.js';
import { FetchHandler } from './fetch-handler.js';
import { isAnswered, snsVerdict, snsWords } from './sns-error.js';

/** The options of a sender by Amazon SNS. */
export interface AwsSnsOptions extends TextOptions<AwsSnsOptions> {
  /** The region that sends, such as `eu-central-1`. */
  readonly region: string;
  /** @default the SDK's own chain: environment, shared files, the role of the container or of the instance */
  readonly credentials?: SNSClientConfig['credentials'] | undefined;
  /** Another address of the service, for tests and VPC endpoints. @default the region's */
  readonly endpoint?: string | undefined;
  /** The name that the message comes from, 1 to 11 letters and digits, where the country allows names. */
  readonly senderId?: string | undefined;
  /** The sending number, one of the account's. */
  readonly originationNumber?: string | undefined;
  /** The most that one message may cost, in US dollars: `'0.10'`. SNS drops a message that costs more. @default the account's setting */
  readonly maxPrice?: string | undefined;
  /** `Transactional` favours delivery, `Promotional` the price. @default 'Transactional' */
  readonly smsType?: 'Transactional' | 'Promotional' | undefined;
}

const OPTIONS = [
  'region',
  'credentials',
  'endpoint',
  'senderId',
  'originationNumber',
  'maxPrice',
  'smsType',
  'timeoutMs',
  'product',
  'compose',
];

/**
 * Creates a sender that sends text messages by Amazon SNS, through `@aws-sdk/client-sns`.
 *
 * SNS has no idempotency key for text messages: after a lost answer a message may be sent, and paid, twice. The SDK's own
 * repetitions are off, because the module repeats.
 *
 * @throws TwoFactorConfigurationError at boot for missing, unknown or malformed options, or without the package
 * @aws-sdk/client-sns.
 * @example
 * ```ts
 * senders: {
 *   sms: defineSender(awsSnsBackend, {
 *     options: { region: 'eu-central-1', senderId: 'ACME', maxPrice: '0.10', product: 'ACME' },
 *   }),
 * }
 * ```
 * @publicApi
 */
export async function awsSnsBackend({
  name,
  options,
}: SenderBackendFactoryInput<AwsSnsOptions>): Promise<SendFunction<AwsSnsOptions>> {
  const { attributes, endpoint, timeoutMs } = checkedOptions(name, options);
  const { PublishCommand, SNSClient } = await loadSdk();
  const { region, credentials } = options;
  const client: SNSClient = new SNSClient({
    region,
    maxAttempts: 1,
    requestHandler: new FetchHandler(timeoutMs),
    ...(credentials !== undefined && { credentials }),
    ...(endpoint !== undefined && { endpoint }),
  });
  const provider = new Provider('Amazon SNS', timeoutMs, []);
  const send: SendFunction<AwsSnsOptions> = async (delivery) => {
    const { token, signal } = delivery;
    const number = phoneNumberOf(token);
    const message = await textOf(delivery, options);
    signal.throwIfAborted();
    const command = new PublishCommand({
      PhoneNumber: number,
      Message: message,
      MessageAttributes: attributes,
    });
    try {
      const { MessageId } = await client.send(command, { abortSignal: signal });
      // SNS names every message that it has accepted. Another answer with 200 is not that of SNS.
      if (MessageId === undefined) throw new SendFailure('transient', NO_MESSAGE_ID, RESPONSE_LOST);
    } catch (error) {
      signal.throwIfAborted();
      throw provider.error(snsVerdict(error), snsWords(error), delivery);
    }
  };
  return Object.assign(send, {
    tokenKind: 'phone' as const,
    ping: (signal: AbortSignal) => ping(client, new PublishCommand(NO_RECIPIENT), signal),
    onApplicationShutdown: () => client.destroy(),
  });
}

/** SNS refuses it, since it names no recipient. */
const NO_RECIPIENT = { Message: 'ping' };

/** @throws when SNS does not answer, or answers that it fails. */
async function ping(
  client: SNSClient,
  command: PublishCommand,
  signal: AbortSignal,
): Promise<void> {
  try {
    await client.send(command, { abortSignal: signal });
  } catch (error) {
    if (!isAnswered(error)) throw error;
  }
}

const NO_MESSAGE_ID = 'an answer without a MessageId';
/** For an answer that does not tell whether SNS has accepted the message. */
const RESPONSE_LOST = { mayHaveArrived: true };

interface CheckedOptions {
  readonly attributes: Record<string, MessageAttributeValue>;
  readonly endpoint: string | undefined;
  readonly timeoutMs: number;
}

function checkedOptions(sender: string, options: AwsSnsOptions): CheckedOptions {
  const reader = new OptionReader(sender, options, OPTIONS);
  reader.text('region', 'the region that sends, such as eu-central-1', (text) =>
    /^[a-z]{2}(?:-[a-z]+)+-\d$/.test(text),
  );
  reader.optionalText('product', 'the name of your product');
  reader.optionalFunction('compose');
  const smsType = reader.has('smsType')
    ? reader.text('smsType', "'Transactional' or 'Promotional'", (text) =>
        ['Transactional', 'Promotional'].includes(text),
      )
    : 'Transactional';
  const given: readonly (readonly [string, string | undefined, string])[] = [
    ['AWS.SNS.SMS.SMSType', smsType, 'String'],
    [
      'AWS.SNS.SMS.SenderID',
      reader.optionalText(
        'senderId',
        '1 to 11 letters and digits, one letter at least',
        (text) => /^[a-zA-Z\d]{1,11}$/.test(text) && /[a-zA-Z]/.test(text),
      ),
      'String',
    ],
    [
      'AWS.MM.SMS.OriginationNumber',
      reader.optionalText('originationNumber', 'a number with +, or a short code', (text) =>
        /^\+?\d{3,15}$/.test(text),
      ),
      'String',
    ],
    [
      'AWS.SNS.SMS.MaxPrice',
      reader.optionalText('maxPrice', "US dollars as a text, such as '0.10'", (text) =>
        /^\d{1,3}(?:\.\d{1,5})?$/.test(text),
      ),
      'Number',
    ],
  ];
  const attributes: Record<string, MessageAttributeValue> = {};
  for (const [name, value, type] of given) {
    if (value !== undefined) attributes[name] = { DataType: type, StringValue: value };
  }
  return {
    attributes,
    endpoint: reader.has('endpoint') ? reader.url('endpoint').href : undefined,
    timeoutMs: reader.timeoutMs(),
  };
}

async function loadSdk(): Promise<typeof import('@aws-sdk/client-sns')> {
  try {
    return await import('@aws-sdk/client-sns');
  } catch (cause) {
    throw new TwoFactorConfigurationError(
      'The Amazon SNS backend needs the package @aws-sdk/client-sns: install it with "npm install @aws-sdk/client-sns".',
      { cause },
    );
  }
}
