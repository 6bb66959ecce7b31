import { Inject, Injectable, Logger, type OnApplicationBootstrap } from '@nestjs/common';

import type { ConfirmationState, SendContext } from '../confirmation/index.js';
import { TwoFactorConfigurationError } from '../errors/index.js';
import {
  DefaultMessageRenderer,
  detailLines,
  plainLine,
  smsSegments,
  type MessageInput,
  type MessageRenderer,
  type RenderedMessage,
} from '../messages/index.js';
import type { JsonValue, ResolvedOptions } from '../options/index.js';
import { InjectTwoFactorOptions, MESSAGE_RENDERER } from '../two-factor.tokens.js';
import { checkMail, hasCode } from './check-message.js';

/** The text of one message to be composed: its code, its confirmation and the sender that it is for. */
export interface MessageToWrite {
  readonly code: string;
  readonly state: Pick<ConfirmationState, 'purpose' | 'details'>;
  readonly context: SendContext;
  readonly expiresInSeconds: number;
  /** The name of the product in the text; absent for the product of the option `messages`. */
  readonly product: string | undefined;
  /** The name of the sender. */
  readonly way: string;
}

/** The longest text of details, in characters. A longer one is refused: people do not read it, and each SMS segment costs. */
const MAX_DETAILS_TEXT = 200;
/** Providers refuse longer messages; the longest that Twilio takes has 1,600 characters. */
const MAX_SEGMENTS = 10;
/** A message of more segments is worth a warning at boot. */
const USUAL_SEGMENTS = 2;
const SAMPLE_CODE = '12345678';

/** Writes messages through the renderer, and checks what it has written: a renderer may be of the application. */
@Injectable()
export class MessageWriter implements OnApplicationBootstrap {
  readonly #logger = new Logger(MessageWriter.name);

  constructor(
    @Inject(MESSAGE_RENDERER) private readonly renderer: MessageRenderer,
    @InjectTwoFactorOptions() private readonly options: ResolvedOptions,
  ) {}

  /** Warns of texts that take more than two segments in a text message before any details are shown. */
  onApplicationBootstrap(): void {
    const { renderer } = this;
    const { messages, purposes, ttlSeconds } = this.options;
    if (!messages.isConfigured || !(renderer instanceof DefaultMessageRenderer)) return;
    const { product, texts } = messages;
    for (const language of texts.keys()) {
      const longest = ['', ...purposes.keys()]
        .map((purpose) => {
          const expiresInSeconds = purposes.get(purpose)?.ttlSeconds ?? ttlSeconds;
          const sample = { code: SAMPLE_CODE, purpose, approves: [], language, product, way: '' };
          return smsSegments(renderer.render({ ...sample, expiresInSeconds }).sms);
        })
        .reduce((most, each) => (each.segments > most.segments ? each : most));
      if (longest.segments <= USUAL_SEGMENTS) continue;
      this.#logger.warn(
        `Text messages in the language ${language} take ${longest.segments} segments (${longest.alphabet}), and each is ` +
          `charged. Shorten messages.texts.${language}.sms, its purposes or the product.`,
      );
    }
  }

  /** @throws what the renderer or `detailsText` throws, and TwoFactorConfigurationError for a message that must not be sent. */
  async write(order: MessageToWrite): Promise<RenderedMessage> {
    const { code, state, context, expiresInSeconds, way } = order;
    const language = typeof context['language'] === 'string' ? context['language'] : undefined;
    const approves = await this.#linesToApprove(state, language);
    const { purpose } = state;
    const product = order.product ?? this.options.messages.product;
    const input = { code, purpose, approves, language, expiresInSeconds, product, way };
    return checked(await this.renderer.render(input), input);
  }

  async #linesToApprove(
    { purpose, details }: MessageToWrite['state'],
    language: string | undefined,
  ): Promise<readonly string[]> {
    const detailsText = this.options.purposes.get(purpose)?.detailsText;
    if (detailsText === undefined) return detailLines(details);
    const text: unknown = await detailsText(details as JsonValue, { language });
    if (text === null) return [];
    if (typeof text === 'string' && text.trim() !== '' && text.length <= MAX_DETAILS_TEXT) {
      return [plainLine(text)];
    }
    throw new TwoFactorConfigurationError(
      `The function detailsText of the purpose ${purpose} did not return a text of 1 to ${MAX_DETAILS_TEXT} characters. Let it ` +
        'return one, or null to show nothing.',
    );
  }
}

function checked(message: RenderedMessage, { code }: MessageInput): RenderedMessage {
  checkMail(message, code, 'The message renderer');
  const { sms } = message;
  if (!hasCode(sms, code)) {
    throw new TwoFactorConfigurationError(
      'The message renderer made an sms without the code. Write the code into it.',
    );
  }
  const { segments } = smsSegments(sms);
  if (segments > MAX_SEGMENTS) {
    throw new TwoFactorConfigurationError(
      `The text message would take ${segments} segments, and at most ${MAX_SEGMENTS} are sent. Show less of the details: give the ` +
        'purpose a function detailsText.',
    );
  }
  return message;
}
